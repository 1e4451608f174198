//! Updates: what was wrong before is told, what is new is refused.

use serde_json::{Value, json};

use crate::{bad_pod, check, deployment, judge, policy, set, update};

const AT: &str = "p/images spec.containers[api]";

fn with(mut object: Value, pointer: &str, key: &str, value: Value) -> Value {
    object.pointer_mut(pointer).expect("the field is there")[key] = value;
    object
}

#[test]
fn what_leaves_everything_judged_as_it_was_is_told_and_not_refused() {
    let set = set(&[policy("p", json!({}))]);
    let old = with(bad_pod(), "/metadata", "finalizers", json!(["example.com/f"]));
    for new in [
        old.clone(),
        with(old.clone(), "/metadata", "finalizers", json!([])),
        with(old.clone(), "/metadata", "annotations", json!({"cni": "10.0.0.1"})),
        with(old.clone(), "/metadata/labels", "other", json!("x")),
        with(old.clone(), "/metadata", "ownerReferences", json!([])),
        with(old.clone(), "", "status", json!({"phase": "Running"})),
    ] {
        check(&judge(&set, &update(&old, &new)), &[], &[AT]);
    }
    for new in [
        with(old.clone(), "/spec/containers/0", "image", json!("bad.example/api:2")),
        with(old.clone(), "/spec", "activeDeadlineSeconds", json!(5)),
        with(old.clone(), "/spec", "tolerations", json!([{"operator": "Exists"}])),
    ] {
        check(&judge(&set, &update(&old, &new)), &[AT], &[]);
    }
}

#[test]
fn what_is_being_deleted_can_be_cleaned_up() {
    let set = set(&[policy("p", json!({}))]);
    let mut reading = policy("q", json!({}));
    let rule = "object.metadata.?finalizers.orValue([]) == ['none'] && request.userInfo.username == 'nobody'";
    reading["spec"]["validate"][0]["cel"] = json!({"expression": rule});
    let set_that_reads = self::set(&[reading]);
    let old = with(bad_pod(), "/metadata", "deletionTimestamp", json!("2030-01-01T00:00:00Z"));
    let old = with(old, "/metadata", "finalizers", json!(["example.com/f", "example.com/g"]));
    for left in [json!(["example.com/g"]), json!([]), Value::Null] {
        let new = with(old.clone(), "/metadata", "finalizers", left);
        let new = with(new, "/metadata", "managedFields", json!([{"manager": "gc"}]));
        check(&judge(&set, &update(&old, &new)), &[], &[AT]);
        check(&judge(&set_that_reads, &update(&old, &new)), &[], &["q/images "]);
    }
    // It is the stored object that says so.
    let alive = with(bad_pod(), "/metadata", "finalizers", json!(["example.com/f"]));
    let new = with(old.clone(), "/metadata", "finalizers", json!([]));
    check(&judge(&set_that_reads, &update(&alive, &new)), &["q/images "], &[]);
}

#[test]
fn what_is_being_deleted_can_t_be_made_worse() {
    let set = set(&[policy("p", json!({}))]);
    let mut old = with(bad_pod(), "/metadata", "deletionTimestamp", json!("2030-01-01T00:00:00Z"));
    old["spec"]["containers"][0]["image"] = json!("good.example/api:1");
    old["metadata"]["finalizers"] = json!(["example.com/f"]);
    let new = with(old.clone(), "/spec/containers/0", "image", json!("bad.example/api:1"));
    check(&judge(&set, &update(&old, &new)), &[AT], &[]);
    let old = with(bad_pod(), "/metadata", "deletionTimestamp", json!("2030-01-01T00:00:00Z"));
    let new = with(old.clone(), "/spec", "activeDeadlineSeconds", json!(5));
    check(&judge(&set, &update(&old, &new)), &[AT], &[]);
}

#[test]
fn what_an_update_is_judged_by_is_never_what_it_was_before() {
    let rule = |expression: &str| {
        let rule = json!([{"name": "r", "cel": {"expression": expression, "message": "no"}}]);
        set(&[policy("p", json!({"match": {"kinds": ["ConfigMap", "Service"]}, "validate": rule}))])
    };
    let old = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "x", "namespace": "shop", "labels": {"locked": "true"}}, "data": {"a": "b"}});
    let new = with(old.clone(), "/metadata/labels", "other", json!("x"));
    for expression in [
        "request.userInfo.username == 'admin'",
        "request.operation != 'UPDATE'",
        "oldObject.metadata.?labels.locked.orValue('') != 'true'",
        "object.metadata.labels == oldObject.metadata.labels",
        "false",
    ] {
        check(&judge(&rule(expression), &update(&old, &new)), &["p/r "], &[]);
    }
    // What is wrong with the object alone was there before.
    for expression in ["object.data.a != 'b'", "object.data.a != 'b' && request.namespace == 'shop'"] {
        check(&judge(&rule(expression), &update(&old, &new)), &[], &["p/r "]);
    }

    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x", "namespace": "shop"},
        "spec": {}, "status": {"loadBalancer": {}}});
    let ingress = json!({"ingress": [{"ip": "192.0.2.1"}]});
    let taken = with(service.clone(), "/status", "loadBalancer", ingress);
    let by_status = rule("!has(object.status.loadBalancer.ingress)");
    check(&judge(&by_status, &update(&service, &taken)), &["p/r "], &[]);
    let mut request = update(&service, &taken);
    request.sub_resource = "status".to_owned();
    check(&judge(&by_status, &request), &["p/r "], &[]);
    let labelled = with(taken.clone(), "/metadata", "labels", json!({"a": "b"}));
    check(&judge(&by_status, &update(&taken, &labelled)), &[], &["p/r "]);
}

#[test]
fn what_was_excluded_is_judged_when_it_is_no_more() {
    let spared = json!({"exclude": {"objectSelector": {"matchLabels": {"spared": "yes"}}}});
    let set = set(&[policy("p", spared)]);
    let old = with(bad_pod(), "/metadata/labels", "spared", json!("yes"));
    let bad = with(old.clone(), "/spec/containers/0", "image", json!("bad.example/api:2"));
    check(&judge(&set, &update(&old, &bad)), &[], &[]);
    for new in
        [with(old.clone(), "/metadata", "labels", json!({})), with(bad, "/metadata", "labels", json!({}))]
    {
        check(&judge(&set, &update(&old, &new)), &[AT], &[]);
    }
    check(&judge(&set, &update(&bad_pod(), &old)), &[], &[]);
}

#[test]
fn a_change_of_metadata_that_a_policy_reads_is_new() {
    let by_selector = policy(
        "selector",
        json!({"match": {"kinds": ["Pod"],
        "objectSelector": {"matchExpressions": [{"key": "spared", "operator": "DoesNotExist"}]}}}),
    );
    let mut by_label = policy("label", json!({}));
    by_label["spec"]["validate"][0]["labels"] = json!({"tier": "front"});
    let mut by_when = policy("when", json!({}));
    by_when["spec"]["validate"][0]["when"] = json!("object.metadata.?annotations.x.orValue('') == 'on'");
    let condition = json!({"name": "c", "expression": "object.metadata.?labels.c.orValue('') == 'on'"});
    let by_condition = policy("condition", json!({"match": {"kinds": ["Pod"], "conditions": [condition]}}));
    let set = set(&[by_selector, by_label, by_when, by_condition]);

    let old = with(bad_pod(), "/metadata", "annotations", json!({}));
    let old = with(old, "/metadata/labels", "spared", json!("yes"));
    let relabel = |key: &str, value: &str| with(old.clone(), "/metadata/labels", key, json!(value));
    check(&judge(&set, &update(&old, &relabel("y", "z"))), &[], &[]);
    let mut unspared = old.clone();
    unspared["metadata"]["labels"].as_object_mut().unwrap().remove("spared");
    check(&judge(&set, &update(&old, &unspared)), &["selector/images spec.containers[api]"], &[]);
    check(
        &judge(&set, &update(&old, &relabel("tier", "front"))),
        &["label/images spec.containers[api]"],
        &[],
    );
    check(&judge(&set, &update(&old, &relabel("c", "on"))), &["condition/images spec.containers[api]"], &[]);
    let new = with(old.clone(), "/metadata/annotations", "x", json!("on"));
    check(&judge(&set, &update(&old, &new)), &["when/images spec.containers[api]"], &[]);
}

#[test]
fn other_kinds_are_new_when_anything_but_metadata_changes() {
    let scope = json!({"kinds": ["Deployment"]});
    let rule =
        json!([{"name": "few", "cel": {"expression": "object.spec.replicas <= 5", "message": "too many"}}]);
    let set = set(&[policy("p", json!({"match": scope, "validate": rule}))]);
    let many = |replicas| with(deployment(&bad_pod()), "/spec", "replicas", json!(replicas));
    check(&judge(&set, &update(&many(7), &many(8))), &["p/few "], &[]);
    check(
        &judge(&set, &update(&many(7), &with(many(7), "/metadata", "labels", json!({})))),
        &[],
        &["p/few "],
    );
}
