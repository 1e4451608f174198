//! What the API server has to ask about.

use std::collections::BTreeSet;

use sallyport_admission::registration::{Call, Registration, Served, attachments, registration};
use sallyport_admission::resources::FailurePolicy;
use sallyport_admission::{
    Context, GroupVersionKind, Operation, PolicySet, Request, TrafficSelector, mutate, validate,
};
use serde_json::{Value, json};

use crate::{bad_pod, deployment, policy, reading, set, update};

/// As discovery has them: resource, kind and verbs, the writing ones being `c`reate, `u`pdate, `d`elete, `-` none.
const SERVED: [(&str, &str, &str, &str); 26] = [
    ("", "pods", "/v1 Pod", "cud"),
    ("", "pods/ephemeralcontainers", "/v1 Pod", "u"),
    ("", "pods/resize", "/v1 Pod", "u"),
    ("", "pods/status", "/v1 Pod", "u"),
    ("", "pods/log", "/v1 Pod", "-"),
    ("", "pods/binding", "/v1 Binding", "c"),
    ("", "bindings", "/v1 Binding", "c"),
    ("", "pods/exec", "/v1 PodExecOptions", "c"),
    ("", "pods/eviction", "policy/v1 Eviction", "c"),
    ("", "services", "/v1 Service", "cud"),
    ("", "namespaces", "/v1 Namespace", "cud"),
    ("", "namespaces/finalize", "/v1 Namespace", "u"),
    ("", "nodes", "/v1 Node", "cud"),
    ("", "podtemplates", "/v1 PodTemplate", "cud"),
    ("apps", "deployments", "apps/v1 Deployment", "cud"),
    ("apps", "deployments/status", "apps/v1 Deployment", "u"),
    ("apps", "deployments/scale", "autoscaling/v1 Scale", "u"),
    ("batch", "jobs", "batch/v1 Job", "cud"),
    ("batch", "cronjobs", "batch/v1 CronJob", "cud"),
    ("coordination.k8s.io", "leases", "coordination.k8s.io/v1 Lease", "cud"),
    ("events.k8s.io", "events", "events.k8s.io/v1 Event", "cud"),
    ("cert-manager.io", "certificates", "cert-manager.io/v1 Certificate", "cud"),
    ("networking.istio.io", "envoyfilters", "networking.istio.io/v1alpha3 EnvoyFilter", "cud"),
    ("networking.istio.io", "envoyfilters/status", "networking.istio.io/v1alpha3 EnvoyFilter", "u"),
    ("extensions.istio.io", "wasmplugins", "extensions.istio.io/v1alpha1 WasmPlugin", "cud"),
    ("example.com", "pods", "example.com/v1 Pod", "cud"),
];

fn served() -> Vec<Served> {
    let of = |(group, resource, kind, verbs): (&str, &str, &str, &str)| {
        let (api_version, kind) = kind.split_once(' ').unwrap();
        let (kind_group, version) = api_version.split_once('/').unwrap();
        let kind = GroupVersionKind {
            group: kind_group.to_owned(),
            version: version.to_owned(),
            kind: kind.to_owned(),
        };
        let verbs = verbs.chars().flat_map(|verb| match verb {
            'c' => vec!["create"],
            'u' => vec!["update", "patch", "get"],
            'd' => vec!["delete", "deletecollection", "list"],
            _ => vec!["get"],
        });
        let verbs = verbs.map(str::to_owned).collect();
        Served { group: group.to_owned(), resource: resource.to_owned(), kind, verbs }
    };
    SERVED.into_iter().map(of).collect()
}

/// `group/resource OPERATION…`, a line for each resource.
fn lines(registration: &Registration) -> Vec<String> {
    let rules = registration.rules.iter().flat_map(|rule| {
        let operations: Vec<String> = rule.operations.iter().map(ToString::to_string).collect();
        rule.resources
            .iter()
            .map(move |resource| format!("{}:{resource} {}", rule.group, operations.join(" ")))
    });
    let mut lines: Vec<String> = rules.collect();
    lines.sort();
    lines
}

#[track_caller]
fn check(policies: &[Value], call: Call, want: &[&str]) {
    let set = set(policies);
    assert_eq!(lines(&registration(&set, call, FailurePolicy::Fail, &served())), want);
    assert_eq!(registration(&set, call, FailurePolicy::Ignore, &served()).rules, []);
}

fn giving(name: &str, spec: Value) -> Value {
    let mut policy = policy(name, spec);
    policy["spec"]["validate"] = json!([]);
    policy
}

#[test]
fn a_policy_about_pods_is_asked_about_pods_their_controllers_and_whoever_binds_them() {
    let want = [
        ":bindings CREATE",
        ":pods CREATE UPDATE",
        ":pods/binding CREATE",
        ":pods/ephemeralcontainers UPDATE",
        ":pods/resize UPDATE",
        ":pods/status UPDATE",
        ":podtemplates CREATE UPDATE",
        "apps:deployments CREATE UPDATE",
        "batch:cronjobs CREATE UPDATE",
        "batch:jobs CREATE UPDATE",
    ];
    check(&[policy("p", json!({}))], Call::Validate, &want);
    check(&[policy("p", json!({}))], Call::Mutate, &[]);
    let pods = want.iter().copied().filter(|line| line.starts_with(":pods") || line.starts_with(":bind"));
    let pods: Vec<&str> = pods.collect();
    check(&[policy("p", json!({"controllers": "Ignore"}))], Call::Validate, &pods);
}

#[test]
fn operations_kinds_and_groups_are_those_that_the_policy_names() {
    let named = |kinds: Value, operations: Value| {
        let named = json!({"name": "named", "cel": {"expression": "false", "message": "no"}});
        let scope = json!({"kinds": kinds, "operations": operations});
        policy("p", json!({"controllers": "Ignore", "match": scope, "validate": [named]}))
    };
    check(&[named(json!(["PodExecOptions"]), json!(["CONNECT"]))], Call::Validate, &[":pods/exec CONNECT"]);
    let deletes = [":namespaces DELETE", "cert-manager.io:certificates DELETE"];
    let kinds = json!(["Namespace", "Certificate.cert-manager.io"]);
    check(&[named(kinds, json!(["DELETE"]))], Call::Validate, &deletes);
    let other = named(json!(["Pod.example.com"]), json!(["CREATE"]));
    check(&[other], Call::Validate, &["example.com:pods CREATE"]);
}

#[test]
fn a_policy_about_everything_is_asked_about_nothing_that_the_control_plane_needs() {
    let everything = policy("p", json!({"match": {"kinds": ["*"], "operations": ["CREATE", "UPDATE"]}}));
    let set = set(&[everything]);
    let asked = registration(&set, Call::Validate, FailurePolicy::Fail, &served());
    let asked = lines(&asked).join("\n");
    for wanted in [":services CREATE", "apps:deployments/scale UPDATE", "example.com:pods", ":pods/eviction"]
    {
        assert!(asked.contains(wanted), "{wanted} in {asked}");
    }
    for unwanted in ["leases", "nodes", "finalize", "pods/log", "pods/exec"] {
        assert!(!asked.contains(unwanted), "{unwanted} in {asked}");
    }
}

#[test]
fn what_is_given_is_asked_about_only_where_it_can_be_given() {
    let on = |kinds: Value| json!({"match": {"kinds": kinds}});
    let root = json!({"name": "user", "securityContext": {"pod": {"runAsUser": 1000}}});
    let label = json!({"name": "label", "metadata": {"labels": {"a": "b"}}});
    let mut policy = giving("p", on(json!(["*"])));
    policy["spec"]["mutate"] = json!([root]);
    check(std::slice::from_ref(&policy), Call::Mutate, &[":pods CREATE", ":pods/ephemeralcontainers UPDATE"]);
    check(&[policy], Call::Validate, &[]);
    let mut policy = giving("p", on(json!(["Deployment", "Job", "Service"])));
    policy["spec"]["mutate"] = json!([root]);
    check(
        std::slice::from_ref(&policy),
        Call::Mutate,
        &["apps:deployments CREATE UPDATE", "batch:jobs CREATE"],
    );
    policy["spec"]["mutate"] = json!([root, label]);
    let with_services = [":services CREATE UPDATE", "apps:deployments CREATE UPDATE", "batch:jobs CREATE"];
    check(&[policy], Call::Mutate, &with_services);
}

#[test]
fn a_policy_that_refuses_nothing_is_asked_about_by_an_entry_that_ignores_failure() {
    let shares = |spec: Value| {
        let set = set(&[policy("p", spec)]);
        [FailurePolicy::Fail, FailurePolicy::Ignore]
            .map(|share| !registration(&set, Call::Validate, share, &served()).rules.is_empty())
    };
    assert_eq!(shares(json!({})), [true, false]);
    assert_eq!(shares(json!({"mode": "Audit"})), [false, true]);
    assert_eq!(shares(json!({"mode": "Warn", "failurePolicy": "Fail"})), [true, false]);
    assert_eq!(shares(json!({"failurePolicy": "Ignore"})), [false, true]);
}

#[test]
fn namespaces_narrow_what_is_asked_about_where_every_policy_names_its_own() {
    let in_namespaces = |name: &str, namespaces: Value| {
        policy(name, json!({"match": {"kinds": ["Pod"], "namespaces": namespaces}}))
    };
    let namespaces = |policies: &[Value]| {
        registration(&set(policies), Call::Validate, FailurePolicy::Fail, &served()).namespaces
    };
    let (shop, bank) = (in_namespaces("p", json!(["shop"])), in_namespaces("q", json!(["bank", "shop"])));
    let named = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>());
    assert_eq!(namespaces(std::slice::from_ref(&shop)), named(&["shop"]));
    assert_eq!(namespaces(&[shop.clone(), bank]), named(&["bank", "shop"]));
    assert_eq!(namespaces(&[shop.clone(), in_namespaces("q", json!(["shop-*"]))]), None);
    assert_eq!(namespaces(&[shop.clone(), policy("q", json!({}))]), None);
    // A policy that has no say in this call does not widen it.
    let mut label = giving("q", json!({}));
    label["spec"]["mutate"] = json!([{"name": "label", "metadata": {"labels": {"a": "b"}}}]);
    assert_eq!(namespaces(&[shop, label]), named(&["shop"]));
}

/// A TrafficPolicy of the namespace bank that needs a key.
fn traffic() -> TrafficSelector {
    let secrets = json!([{"name": "keys", "key": "k"}]);
    reading::traffic(
        &json!({"namespace": "bank", "name": "tokens", "selector": {}, "jwt": true, "secrets": secrets}),
    )
}

#[test]
fn pods_are_asked_about_where_their_proxies_need_keys() {
    let asked = |set: PolicySet, call, share| registration(&set, call, share, &served());
    let alone = || set(&[]).knowing(vec![traffic()]);
    let given = asked(alone(), Call::Mutate, FailurePolicy::Fail);
    assert_eq!(lines(&given), [":pods CREATE"]);
    assert_eq!(given.namespaces, Some(BTreeSet::from(["bank".to_owned()])));
    assert_eq!(asked(alone(), Call::Mutate, FailurePolicy::Ignore).rules, []);
    assert_eq!(asked(alone(), Call::Validate, FailurePolicy::Fail).rules, []);
    let keyless = TrafficSelector { keys: Vec::new(), ..traffic() };
    assert_eq!(asked(set(&[]).knowing(vec![keyless]), Call::Mutate, FailurePolicy::Fail).rules, []);
    // Beside policies about other namespaces, and about all.
    let mut label = giving("p", json!({"match": {"kinds": ["Pod"], "namespaces": ["shop"]}}));
    label["spec"]["mutate"] = json!([{"name": "label", "metadata": {"labels": {"a": "b"}}}]);
    let beside = asked(set(&[label.clone()]).knowing(vec![traffic()]), Call::Mutate, FailurePolicy::Fail);
    assert_eq!(beside.namespaces, Some(["bank", "shop"].map(str::to_owned).into()));
    label["spec"]["match"] = json!({"kinds": ["Pod"]});
    let beside = asked(set(&[label]).knowing(vec![traffic()]), Call::Mutate, FailurePolicy::Fail);
    assert_eq!(beside.namespaces, None);
}

#[test]
fn labels_of_pods_are_guarded_whatever_operations_a_requirement_names() {
    let gated = json!([{"name": "gated", "requireTraffic": {"jwt": true}}]);
    let scope = json!({"kinds": ["Pod"], "operations": ["CREATE"]});
    let spec = json!({"match": scope, "controllers": "Ignore", "validate": gated});
    let want = [":bindings CREATE", ":pods CREATE UPDATE", ":pods/binding CREATE", ":pods/status UPDATE"];
    check(&[policy("p", spec)], Call::Validate, &want);
}

#[test]
fn what_attaches_the_filter_is_guarded_while_there_is_a_traffic_policy() {
    assert_eq!(attachments(&set(&[]), &served()), []);
    let guarded = attachments(&set(&[]).knowing(vec![traffic()]), &served());
    let guarded = Registration { rules: guarded, namespaces: None };
    assert_eq!(
        lines(&guarded),
        [
            "extensions.istio.io:wasmplugins CREATE UPDATE DELETE",
            "networking.istio.io:envoyfilters CREATE UPDATE DELETE",
        ]
    );
}

/// Whatever is decided about is asked about.
#[test]
fn no_policy_has_a_say_in_what_is_not_asked_about() {
    let kinds: [&[&str]; 5] =
        [&["Pod"], &["*"], &["Deployment"], &["Service", "PodExecOptions"], &["Pod.example.com"]];
    let operations: [&[&str]; 4] =
        [&[], &["CREATE"], &["UPDATE", "DELETE"], &["CREATE", "UPDATE", "DELETE", "CONNECT"]];
    let served = served();
    let selector = json!({"matchLabels": {"app": "other"}});
    let of_other =
        reading::traffic(&json!({"namespace": "shop", "name": "other", "selector": selector, "jwt": true}));
    let mut decided = 0;
    for kinds in kinds {
        for operations in operations {
            for controllers in ["Enforce", "Ignore"] {
                let scope = json!({"kinds": kinds, "operations": operations});
                let mut policy = policy("p", json!({"match": scope, "controllers": controllers}));
                let named = json!({"name": "named", "cel": {"expression": "false", "message": "no"}});
                // A TrafficPolicy selects what is labelled `app: other`, as updates of these requests find it.
                let gated =
                    json!({"name": "gated", "labels": {"app": "other"}, "requireTraffic": {"jwt": true}});
                let holds_pod = |kind: &&str| ["Pod", "*", "Deployment"].contains(kind);
                let gated = kinds.iter().any(holds_pod).then_some(gated);
                policy["spec"]["validate"] = [named].into_iter().chain(gated).collect();
                policy["spec"]["mutate"] = json!([{"name": "label", "metadata": {"labels": {"a": "b"}}}]);
                let set = set(&[policy]).knowing(vec![traffic(), of_other.clone()]);
                for resource in &served {
                    for request in requests(resource).into_iter().flat_map(in_shop_and_bank) {
                        let asked = |call| {
                            let registration = registration(&set, call, FailurePolicy::Fail, &served);
                            let is_there = |names: &BTreeSet<String>| names.contains(&request.namespace);
                            registration.namespaces.as_ref().is_none_or(is_there)
                                && registration.rules.iter().any(|rule| {
                                    rule.group == resource.group
                                        && rule.resources.contains(&resource.resource)
                                        && rule.operations.contains(&request.operation)
                                })
                        };
                        let context = Context::default();
                        let refused = !validate(&set, &request, &context).allowed;
                        let given = mutate(&set, &request, &context).mutated.is_some();
                        let what = format!("{kinds:?} {operations:?} {resource:?} {}", request.operation);
                        assert!(!refused || asked(Call::Validate), "{what}");
                        assert!(!given || asked(Call::Mutate), "{what}");
                        decided += u32::from(refused) + u32::from(given);
                    }
                }
            }
        }
    }
    assert!(decided > 100, "{decided}");
}

/// The request in another namespace too, of a pod whose proxy has been injected.
fn in_shop_and_bank(request: Request) -> [Request; 2] {
    let mut in_bank = request.clone();
    in_bank.namespace = "bank".to_owned();
    if let Some(containers) = in_bank.object.pointer_mut("/spec/containers").and_then(Value::as_array_mut) {
        containers.push(json!({"name": "istio-proxy", "image": "docker.io/istio/proxyv2:1.30.0"}));
    }
    [request, in_bank]
}

/// Requests as the API server makes them of this resource.
fn requests(resource: &Served) -> Vec<Request> {
    let mut object = match resource.kind.kind.as_str() {
        "Deployment" => deployment(&bad_pod()),
        "Job" | "CronJob" | "PodTemplate" => return Vec::new(),
        _ => bad_pod(),
    };
    let GroupVersionKind { group, version, kind } = &resource.kind;
    object["kind"] = json!(kind);
    object["apiVersion"] =
        json!(if group.is_empty() { version.clone() } else { format!("{group}/{version}") });
    let mut requests = Vec::new();
    for operation in [Operation::Create, Operation::Update, Operation::Delete, Operation::Connect] {
        let verb = match operation {
            Operation::Create | Operation::Connect => "create",
            Operation::Update => "update",
            Operation::Delete => "delete",
        };
        let connects = kind.ends_with("Options");
        if !resource.verbs.iter().any(|has| has == verb) || connects != (operation == Operation::Connect) {
            continue;
        }
        let mut changed = object.clone();
        changed["metadata"]["labels"]["app"] = json!("other");
        let mut request = update(&changed, &object);
        request.operation = operation;
        request.sub_resource =
            resource.resource.split_once('/').map(|(_, sub)| sub.to_owned()).unwrap_or_default();
        match operation {
            Operation::Create | Operation::Connect => request.old_object = Value::Null,
            Operation::Delete => request.object = Value::Null,
            Operation::Update => {}
        }
        requests.push(request);
    }
    requests
}
