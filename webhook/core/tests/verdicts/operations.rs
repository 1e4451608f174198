//! Which operations, subresources, namespaces and users are judged, and which never are.

use sallyport_admission::{Operation, Request};
use serde_json::{Value, json};

use crate::{bad_pod, check, judge, policy, reading, set, update};

const AT: &str = "p/images spec.containers[api]";

fn as_user(mut request: Request, user: &str) -> Request {
    user.clone_into(&mut request.user_info.username);
    request
}

#[test]
fn the_subresources_that_take_a_pod_are_judged() {
    let set = set(&[policy("p", json!({}))]);
    let mut good = bad_pod();
    good["spec"]["containers"][0]["image"] = json!("good.example/api:1");
    let mut debugged = good.clone();
    debugged["spec"]["ephemeralContainers"] = json!([{"name": "debug", "image": "bad.example/sh"}]);
    let mut request = update(&good, &debugged);
    request.sub_resource = "ephemeralcontainers".to_owned();
    check(&judge(&set, &request), &["p/images spec.ephemeralContainers[debug]"], &[]);

    let mut resized = bad_pod();
    resized["spec"]["containers"][0]["resources"] = json!({"requests": {"cpu": "2"}});
    let mut request = update(&bad_pod(), &resized);
    request.sub_resource = "resize".to_owned();
    check(&judge(&set, &request), &[AT], &[]);

    // With its status a pod's labels can be changed, and nothing else of it.
    let mut request = update(&bad_pod(), &bad_pod());
    request.sub_resource = "status".to_owned();
    request.object["status"] = json!({"phase": "Running"});
    check(&judge(&set, &request), &[], &[AT]);
    let spared = json!({"kinds": ["Pod"], "objectSelector": {"matchExpressions": [
        {"key": "spared", "operator": "DoesNotExist"}]}});
    request.old_object["metadata"]["labels"]["spared"] = json!("yes");
    check(&judge(&crate::set(&[policy("p", json!({"match": spared}))]), &request), &[AT], &[]);

    request.sub_resource = "finalize".to_owned();
    check(&judge(&set, &request), &[], &[]);
}

#[test]
fn a_binding_brings_no_metadata_to_a_pod_that_a_policy_may_be_about() {
    let binding = |metadata: Value| {
        let mut binding =
            json!({"apiVersion": "v1", "kind": "Binding", "target": {"kind": "Node", "name": "n"}});
        binding["metadata"] = metadata;
        let mut request = reading::creation(&binding);
        (request.namespace, request.sub_resource) = ("shop".to_owned(), "binding".to_owned());
        request
    };
    let free = json!({"labels": {"app": "free"}, "annotations": {"sidecar.istio.io/inject": "false"}});
    let enforcing = set(&[policy("p", json!({}))]);
    let both = ["p metadata.labels[app]", "p metadata.annotations[sidecar.istio.io/inject]"];
    check(&judge(&enforcing, &binding(free.clone())), &both, &[]);
    // Which labels the pod has is not known.
    let of_some = json!({"match": {"kinds": ["Pod"], "namespaces": ["sh*"], "objectSelector": {"matchLabels": {"app": "x"}}}});
    check(&judge(&set(&[policy("p", of_some)]), &binding(free.clone())), &both, &[]);
    let away = json!({"match": {"kinds": ["Pod"], "namespaces": ["other"]}});
    check(&judge(&set(&[policy("p", away)]), &binding(free.clone())), &[], &[]);
    let topology =
        json!({"labels": {"topology.kubernetes.io/zone": "a", "topology.kubernetes.io/region": "b"}});
    check(&judge(&enforcing, &binding(topology)), &[], &[]);
    check(&judge(&enforcing, &binding(json!({"name": "web"}))), &[], &[]);
    let warning = set(&[policy("p", json!({"mode": "Warn"}))]);
    check(&judge(&warning, &binding(free.clone())), &[], &[]);
    let elsewhere = set(&[policy(
        "p",
        json!({"match": {"kinds": ["ConfigMap"]},
        "validate": [{"name": "e", "cel": {"expression": "true", "message": "no"}}]}),
    )]);
    check(&judge(&elsewhere, &binding(free)), &[], &[]);
}

#[test]
fn a_pod_that_is_being_deleted_can_t_be_given_a_container() {
    let set = set(&[policy("p", json!({}))]);
    let mut going = bad_pod();
    going["metadata"]["deletionTimestamp"] = json!("2030-01-01T00:00:00Z");
    going["spec"]["containers"][0]["image"] = json!("good.example/api:1");
    let mut debugged = going.clone();
    debugged["spec"]["ephemeralContainers"] = json!([{"name": "debug", "image": "bad.example/sh"}]);
    let mut request = update(&going, &debugged);
    request.sub_resource = "ephemeralcontainers".to_owned();
    check(&judge(&set, &request), &["p/images spec.ephemeralContainers[debug]"], &[]);
}

#[test]
fn deletions_and_connections_are_judged_where_a_policy_asks() {
    let rule = |expression: &str| json!([{"name": "e", "cel": {"expression": expression, "message": "no"}}]);
    let scope = |kind: &str, operation: &str| json!({"kinds": [kind], "operations": [operation]});
    let set = set(&[
        policy(
            "keep",
            json!({"match": scope("Pod", "DELETE"),
            "validate": rule("object == null && !(oldObject.metadata.?labels.keep.orValue('') == 'yes')")}),
        ),
        policy(
            "exec",
            json!({"match": scope("PodExecOptions", "CONNECT"),
            "validate": rule("!('sh' in object.command) || request.userInfo.username == 'root'")}),
        ),
    ]);
    let mut kept = bad_pod();
    kept["metadata"]["labels"]["keep"] = json!("yes");
    let delete = |pod: &Value| {
        let mut request = reading::creation(pod);
        request.operation = Operation::Delete;
        request.old_object = std::mem::take(&mut request.object);
        request
    };
    check(&judge(&set, &delete(&kept)), &["keep/e "], &[]);
    check(&judge(&set, &delete(&bad_pod())), &[], &[]);
    let exec = |command: &str| {
        let options = json!({"apiVersion": "v1", "kind": "PodExecOptions", "command": [command]});
        let mut request = reading::creation(&options);
        (request.operation, request.sub_resource) = (Operation::Connect, "exec".to_owned());
        request.namespace = "shop".to_owned();
        request
    };
    check(&judge(&set, &exec("sh")), &["exec/e "], &[]);
    check(&judge(&set, &exec("ls")), &[], &[]);
    check(&judge(&set, &as_user(exec("sh"), "root")), &[], &[]);
}

#[test]
fn the_control_plane_is_out_of_reach() {
    let set = set(&[policy("p", json!({"match": {"kinds": ["*"]}}))]);
    for namespace in ["kube-system", "kube-node-lease"] {
        let mut pod = bad_pod();
        pod["metadata"]["namespace"] = json!(namespace);
        check(&judge(&set, &reading::creation(&pod)), &[], &[]);
    }
    check(&judge(&set, &reading::creation(&bad_pod())), &[AT], &[]);
}

#[test]
fn a_mirror_pod_is_its_own_kubelet_s_or_refused() {
    let set = set(&[policy("p", json!({}))]);
    let mut mirror = bad_pod();
    mirror["metadata"]["annotations"] = json!({"kubernetes.io/config.mirror": "hash"});
    mirror["spec"]["nodeName"] = json!("n1");
    let creation = || reading::creation(&mirror);
    check(&judge(&set, &as_user(creation(), "system:node:n1")), &[], &[]);
    let forged = ["p metadata.annotations[kubernetes.io/config.mirror]", AT];
    for user in ["system:node:n2", "system:node:", "n1", "jane", "system:serviceaccount:kube-system:x"] {
        check(&judge(&set, &as_user(creation(), user)), &forged, &[]);
    }
    let mut nowhere = mirror.clone();
    nowhere["spec"].as_object_mut().unwrap().remove("nodeName");
    check(&judge(&set, &as_user(reading::creation(&nowhere), "system:node:n1")), &forged, &[]);
    // Nothing is refused where nothing is enforced.
    let warning = crate::set(&[policy("p", json!({"mode": "Warn"}))]);
    check(&judge(&warning, &creation()), &[], &[AT]);
}

#[test]
fn who_is_excluded_is_excluded_from_every_operation() {
    let rule = json!([{"name": "e", "cel": {"expression": "false", "message": "no"}}]);
    let scope = json!({"kinds": ["Pod", "PodExecOptions"], "operations": ["DELETE", "CONNECT"]});
    let all = json!({"match": scope, "exclude": {"users": ["admin"]}, "validate": rule});
    let named =
        json!({"match": scope, "exclude": {"users": ["admin"], "operations": ["DELETE"]}, "validate": rule});
    let (all, named) = (set(&[policy("p", all)]), set(&[policy("p", named)]));
    for (operation, kind) in [(Operation::Delete, "Pod"), (Operation::Connect, "PodExecOptions")] {
        let request = || {
            let mut request = reading::creation(&json!({"apiVersion": "v1", "kind": kind}));
            request.operation = operation;
            request
        };
        check(&judge(&all, &request()), &["p/e "], &[]);
        check(&judge(&all, &as_user(request(), "admin")), &[], &[]);
        let still: &[&str] = if operation == Operation::Connect { &["p/e "] } else { &[] };
        check(&judge(&named, &as_user(request(), "admin")), still, &[]);
    }
}
