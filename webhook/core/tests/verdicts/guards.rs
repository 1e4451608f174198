//! What keeps the second gate standing.

use sallyport_admission::guard::{ended_selections, meddling};
use sallyport_admission::{Namespace, Operation, PolicySet, Request};
use serde_json::{Value, json};

use crate::{bad_pod, check, judge, policy, reading, update};

/// Requires token checks of pods that are labelled `app: api`.
fn requiring(spec: Value) -> Value {
    let mut policy = policy("p", json!({}));
    policy["spec"]["validate"] =
        json!([{"name": "gated", "labels": {"app": "api"}, "requireTraffic": {"jwt": true}}]);
    for (field, value) in spec.as_object().expect("a spec is an object") {
        policy["spec"][field] = value.clone();
    }
    policy
}

fn set(policies: &[Value], traffic: &[Value]) -> PolicySet {
    crate::set(policies).knowing(traffic.iter().map(reading::traffic).collect())
}

fn tokens(name: &str, selector: Value) -> Value {
    json!({"namespace": "shop", "name": name, "selector": selector, "jwt": true})
}

fn of_api() -> Value {
    tokens("tokens", json!({"matchLabels": {"app": "api"}}))
}

/// What an update of the pod's labels is refused for.
#[track_caller]
fn relabel(set: &PolicySet, labels: Value, want: &[&str]) {
    let old = bad_pod();
    let mut new = old.clone();
    new["metadata"]["labels"] = labels;
    check(&judge(set, &update(&old, &new)), want, &[]);
    let mut request = update(&old, &new);
    request.sub_resource = "status".to_owned();
    check(&judge(set, &request), want, &[]);
}

const LABELS: &str = "p/gated metadata.labels";

#[test]
fn a_pod_that_needs_a_traffic_policy_keeps_the_labels_that_select_it() {
    let all = json!({"app": "api", "more": "x"});
    for spec in [
        json!({}),
        json!({"match": {"kinds": ["Pod"], "operations": ["CREATE"]}}),
        json!({"exclude": {"objectSelector": {"matchLabels": {"app": "x"}}}}),
        json!({"validate": [{"name": "gated", "when": "object.metadata.?labels.app.orValue('') == 'api'", "requireTraffic": {"jwt": true}}]}),
        json!({"validate": [{"name": "gated", "requireTraffic": {"jwt": true}}]}),
    ] {
        let set = set(&[requiring(spec)], &[of_api()]);
        relabel(&set, json!({"app": "x"}), &[LABELS]);
        relabel(&set, json!({}), &[LABELS]);
        relabel(&set, all.clone(), &[]);
    }
}

#[test]
fn a_pod_may_have_other_labels_where_it_is_still_selected_or_never_was() {
    let requiring = |spec| [requiring(spec)];
    let x = || json!({"app": "x"});
    relabel(&set(&requiring(json!({})), &[of_api(), tokens("all", json!({}))]), x(), &[]);
    relabel(&set(&requiring(json!({})), &[]), x(), &[]);
    relabel(&set(&requiring(json!({"mode": "Audit"})), &[of_api()]), x(), &[]);
    relabel(
        &set(&requiring(json!({"match": {"kinds": ["Pod"], "namespaces": ["bank"]}})), &[of_api()]),
        x(),
        &[],
    );
    let mut shadow = of_api();
    shadow["shadow"] = json!(true);
    relabel(&set(&requiring(json!({})), &[shadow]), x(), &[]);
}

/// A change of TrafficPolicy shop/tokens by jane: what it becomes, where it is not deleted.
fn change(becomes: Option<&Value>) -> Request {
    let object = json!({"apiVersion": "sallyport.dev/v1alpha1", "kind": "TrafficPolicy",
        "metadata": {"name": "tokens", "namespace": "shop"}});
    let mut request = update(&object, &object);
    if becomes.is_none() {
        (request.operation, request.object) = (Operation::Delete, Value::Null);
    }
    request
}

/// The entries for whose sake a change of shop/tokens is refused.
fn refused(policies: &[Value], traffic: &[Value], becomes: Option<&Value>) -> Vec<String> {
    let becomes_it = becomes.map(reading::traffic);
    let set = set(policies, traffic);
    let namespace = Namespace::named("shop");
    let found = ended_selections(&set, &change(becomes), Some(&namespace), becomes_it.as_ref());
    found.iter().map(|finding| finding.source.to_string()).collect()
}

#[test]
fn a_traffic_policy_that_workloads_need_stays() {
    let requiring = |spec| [requiring(spec)];
    let all = || tokens("tokens", json!({}));
    for policies in [
        requiring(json!({})),
        requiring(json!({"match": {"kinds": ["Deployment"], "namespaces": ["sh*"]}})),
        requiring(
            json!({"match": {"kinds": ["Pod"], "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "shop"}}}}),
        ),
        requiring(json!({"exclude": {"namespaces": ["shop"], "users": ["admin"]}})),
        requiring(json!({"exclude": {"namespaces": ["bank"]}})),
    ] {
        assert_eq!(refused(&policies, &[of_api()], None), ["p/gated"], "{policies:?}");
        assert_eq!(refused(&policies, &[all()], None), ["p/gated"], "{policies:?}");
    }
    let others = [
        tokens("narrower", json!({"matchLabels": {"app": "api", "tier": "front"}})),
        json!({"namespace": "bank", "name": "other", "selector": {}, "jwt": true}),
        json!({"namespace": "shop", "name": "limits", "selector": {}, "rateLimits": true}),
        json!({"namespace": "shop", "name": "followed", "selector": {}, "jwt": true, "shadow": true}),
        json!({"namespace": "shop", "name": "by-name", "jwt": true}),
    ];
    let traffic: Vec<Value> = others.into_iter().chain([of_api()]).collect();
    assert_eq!(refused(&requiring(json!({})), &traffic, None), ["p/gated"]);
    let changed = |field: &str, value: Value| {
        let mut changed = of_api();
        changed[field] = value;
        changed
    };
    for becomes in [
        changed("selector", json!({"matchLabels": {"app": "web"}})),
        changed("selector", json!({"matchLabels": {"app": "api", "tier": "front"}})),
        changed("shadow", json!(true)),
        changed("jwt", json!(false)),
        json!({"namespace": "shop", "name": "tokens", "jwt": true}),
    ] {
        assert_eq!(refused(&requiring(json!({})), &[of_api()], Some(&becomes)), ["p/gated"], "{becomes}");
    }
}

#[test]
fn a_traffic_policy_may_go_where_nobody_misses_it() {
    let requiring = |spec| [requiring(spec)];
    for policies in [
        requiring(json!({"mode": "Warn"})),
        requiring(json!({"match": {"kinds": ["Pod"], "namespaces": ["bank"]}})),
        requiring(
            json!({"match": {"kinds": ["Pod"], "namespaceSelector": {"matchLabels": {"tier": "gold"}}}}),
        ),
        requiring(json!({"exclude": {"namespaces": ["shop"]}})),
        requiring(
            json!({"validate": [{"name": "gated", "labels": {"app": "web"}, "requireTraffic": {"jwt": true}}]}),
        ),
        requiring(json!({"validate": [{"name": "gated", "requireTraffic": {"rateLimits": true}}]})),
    ] {
        assert_eq!(refused(&policies, &[of_api()], None), [""; 0], "{policies:?}");
    }
    for other in [
        tokens("same", json!({"matchLabels": {"app": "api"}})),
        tokens(
            "wider",
            json!({"matchExpressions": [{"key": "app", "operator": "In", "values": ["api", "web"]}]}),
        ),
        json!({"namespace": "istio-system", "name": "mesh", "selector": {}, "jwt": true, "meshWide": true}),
    ] {
        assert_eq!(refused(&requiring(json!({})), &[of_api(), other.clone()], None), [""; 0], "{other}");
        // The entry is about no more of what this one selects.
        let all = tokens("tokens", json!({}));
        assert_eq!(refused(&requiring(json!({})), &[all, other.clone()], None), [""; 0], "{other}");
    }
    for becomes in [of_api(), tokens("tokens", json!({}))] {
        assert_eq!(refused(&requiring(json!({})), &[of_api()], Some(&becomes)), [""; 0], "{becomes}");
    }
    // One that does nothing, or is not there.
    let mut shadow = of_api();
    shadow["shadow"] = json!(true);
    assert_eq!(refused(&requiring(json!({})), &[shadow], None), [""; 0]);
    assert_eq!(refused(&requiring(json!({})), &[tokens("other", json!({}))], None), [""; 0]);
}

#[test]
fn a_policy_of_the_whole_mesh_is_missed_by_whoever_may_need_it() {
    let mesh =
        json!({"namespace": "istio-system", "name": "mesh", "selector": {}, "jwt": true, "meshWide": true});
    let in_bank = [requiring(json!({"match": {"kinds": ["Pod"], "namespaces": ["bank"]}}))];
    let local = json!({"namespace": "bank", "name": "all", "selector": {}, "jwt": true});
    let request = Request { namespace: "istio-system".to_owned(), name: "mesh".to_owned(), ..change(None) };
    let found = ended_selections(&set(&in_bank, &[mesh.clone(), local]), &request, None, None);
    assert_eq!(found.len(), 1, "{found:?}");
    let another =
        json!({"namespace": "istio-system", "name": "more", "selector": {}, "jwt": true, "meshWide": true});
    assert_eq!(ended_selections(&set(&in_bank, &[mesh, another]), &request, None, None), []);
}

#[test]
fn a_namespace_that_is_deleted_takes_its_traffic_policies_along() {
    let set = set(&[requiring(json!({}))], &[of_api()]);
    let ended = |request: &Request, namespace: &Namespace| {
        ended_selections(&set, request, Some(namespace), None).len()
    };
    let mut request = change(None);
    let shop = Namespace::named("shop");
    assert_eq!(ended(&request, &shop), 1);
    assert_eq!(ended(&request, &Namespace { terminating: true, ..shop.clone() }), 0);
    // Whose owner is gone is collected too: anybody who writes the policy can give it one.
    request.user_info.username = "system:serviceaccount:kube-system:generic-garbage-collector".to_owned();
    assert_eq!(ended(&request, &shop), 1);
    request.user_info.username = "system:serviceaccount:kube-system:namespace-controller".to_owned();
    assert_eq!(ended(&request, &shop), 0);
}

const ACCOUNT: &str = "system:serviceaccount:sallyport:sallyport";

/// A WasmPlugin of this name and with this label, which runs this module.
fn plugin(name: &str, managed_by: &str, url: &str) -> Value {
    json!({"apiVersion": "extensions.istio.io/v1alpha1", "kind": "WasmPlugin",
        "metadata": {"name": name, "namespace": "shop", "labels": {"app.kubernetes.io/managed-by": managed_by}},
        "spec": {"url": url, "pluginConfig": {"rules": [{"on": true}]}}})
}

/// The path at which a request is refused.
fn meddles(request: &Request) -> Option<String> {
    meddling(request, ACCOUNT).map(|finding| finding.path)
}

#[test]
fn only_sallyport_changes_what_attaches_the_filter() {
    let other = plugin("other", "Helm", "oci://registry.example.com/other:1");
    let by_name = plugin("sallyport-api", "Helm", "x");
    let by_label = plugin("other", "sallyport", "x");
    let metadata = || Some("metadata".to_owned());
    for ours in [&by_name, &by_label] {
        let mut deletion = update(ours, ours);
        (deletion.operation, deletion.object) = (Operation::Delete, Value::Null);
        for request in [
            reading::creation(ours),
            update(ours, ours),
            update(ours, &other),
            update(&other, ours),
            deletion,
        ] {
            assert_eq!(meddles(&request), metadata(), "{request:?}");
            for user in [ACCOUNT, "system:serviceaccount:kube-system:generic-garbage-collector"] {
                let mut request = request.clone();
                request.user_info.username = user.to_owned();
                assert_eq!(meddles(&request), None, "{request:?}");
            }
        }
    }
    assert_eq!(meddles(&reading::creation(&other)), None);
    let mut config_map = reading::creation(&by_name);
    config_map.kind = reading::creation(&bad_pod()).kind;
    assert_eq!(meddles(&config_map), None);
}

#[test]
fn only_sallyport_names_the_filter() {
    let other = plugin("other", "Helm", "oci://registry.example.com/other:1");
    let naming = plugin("other", "Helm", "http://Sallyport.sallyport.svc:8081/x.wasm");
    assert_eq!(meddles(&reading::creation(&naming)).as_deref(), Some("spec.url"));
    assert_eq!(meddles(&update(&other, &naming)).as_deref(), Some("spec.url"));
    // What is there may go, and be cleaned up.
    let mut labelled = naming.clone();
    labelled["metadata"]["labels"] = json!({});
    assert_eq!(meddles(&update(&naming, &labelled)), None);
    assert_eq!(meddles(&update(&naming, &other)), None);
    let mut deletion = update(&naming, &naming);
    (deletion.operation, deletion.object) = (Operation::Delete, Value::Null);
    assert_eq!(meddles(&deletion), None);

    let filter = json!({"apiVersion": "networking.istio.io/v1alpha3", "kind": "EnvoyFilter",
        "metadata": {"name": "remove", "namespace": "shop"},
        "spec": {"configPatches": [{}, {"patch": {"operation": "REMOVE"}, "match": {"listener": {"filterChain": {"filter":
            {"subFilter": {"name": "extensions.istio.io/wasmplugin/shop.sallyport-api"}}}}}}]}});
    let path = "spec.configPatches[1].match.listener.filterChain.filter.subFilter.name";
    assert_eq!(meddles(&reading::creation(&filter)).as_deref(), Some(path));
}
