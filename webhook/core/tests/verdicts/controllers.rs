//! Controllers, judged by the pods that they would make.

use serde_json::{Value, json};

use crate::{bad_pod, check, deployment, judge, policy, reading, set, update};

const AT: &str = "p/images spec.template.spec.containers[api]";

#[test]
fn by_default_the_client_is_warned() {
    let request = reading::creation(&deployment(&bad_pod()));
    check(&judge(&set(&[policy("p", json!({}))]), &request), &[], &[AT]);
    check(&judge(&set(&[policy("p", json!({"controllers": "Enforce"}))]), &request), &[AT], &[]);
    check(&judge(&set(&[policy("p", json!({"controllers": "Ignore"}))]), &request), &[], &[]);
    check(
        &judge(&set(&[policy("p", json!({"controllers": "Enforce", "mode": "Warn"}))]), &request),
        &[],
        &[AT],
    );
}

#[test]
fn a_policy_that_names_the_kind_refuses_it() {
    let request = reading::creation(&deployment(&bad_pod()));
    let named = |kinds: Value| set(&[policy("p", json!({"match": {"kinds": kinds}}))]);
    check(&judge(&named(json!(["Deployment"])), &request), &[AT], &[]);
    check(&judge(&named(json!(["Pod", "Deployment"])), &request), &[AT], &[]);
    check(&judge(&named(json!(["*"])), &request), &[], &[AT]);
    check(&judge(&named(json!(["StatefulSet"])), &request), &[], &[]);
}

#[test]
fn every_kind_that_makes_pods_is_judged_at_its_own_path() {
    let set = set(&[policy("p", json!({"controllers": "Enforce"}))]);
    let spec = bad_pod()["spec"].clone();
    let template = json!({"metadata": {"labels": {"app": "api"}}, "spec": spec});
    let job = json!({"template": template});
    let plain = json!({"template": template, "selector": {"matchLabels": {"app": "api"}}});
    for (api_version, kind, spec, prefix) in [
        ("apps/v1", "Deployment", plain.clone(), "spec.template."),
        ("apps/v1", "ReplicaSet", plain.clone(), "spec.template."),
        ("apps/v1", "StatefulSet", plain.clone(), "spec.template."),
        ("apps/v1", "DaemonSet", plain.clone(), "spec.template."),
        ("v1", "ReplicationController", json!({"template": template}), "spec.template."),
        ("batch/v1", "Job", job.clone(), "spec.template."),
        (
            "batch/v1",
            "CronJob",
            json!({"schedule": "@daily", "jobTemplate": {"spec": job}}),
            "spec.jobTemplate.spec.template.",
        ),
    ] {
        let object = json!({"apiVersion": api_version, "kind": kind,
            "metadata": {"name": "x", "namespace": "shop"}, "spec": spec});
        let want = format!("p/images {prefix}spec.containers[api]");
        check(&judge(&set, &reading::creation(&object)), &[&want], &[]);
    }
    let object = json!({"apiVersion": "v1", "kind": "PodTemplate",
        "metadata": {"name": "x", "namespace": "shop"}, "template": template});
    check(&judge(&set, &reading::creation(&object)), &["p/images template.spec.containers[api]"], &[]);
}

#[test]
fn the_pod_is_judged_as_our_own_mutation_leaves_it() {
    let policy = json!({
        "apiVersion": "sallyport.dev/v1alpha1", "kind": "WorkloadPolicy", "metadata": {"name": "p"},
        "spec": {
            "controllers": "Enforce",
            "match": {"kinds": ["Pod"]},
            "mutate": [{"name": "root", "securityContext": {"container": {"readOnlyRootFilesystem": true}}}],
            "validate": [{"name": "root", "cel": {"forEach": "containers",
                "expression": "item.?securityContext.readOnlyRootFilesystem.orValue(false) == true"}}],
        },
    });
    let set = set(&[policy]);
    let mut pod = bad_pod();
    check(&judge(&set, &reading::creation(&deployment(&pod))), &[], &[]);
    check(&judge(&set, &reading::creation(&pod)), &["p/root spec.containers[api]"], &[]);
    pod["spec"]["containers"][0]["securityContext"] = json!({"readOnlyRootFilesystem": false});
    let want = "p/root spec.template.spec.containers[api]";
    check(&judge(&set, &reading::creation(&deployment(&pod))), &[want], &[]);
}

#[test]
fn a_controller_that_another_keeps_is_judged_only_where_it_is_named() {
    let mut owned = deployment(&bad_pod());
    owned["kind"] = json!("ReplicaSet");
    owned["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "apps/v1", "kind": "Deployment", "name": "api", "controller": true}]);
    let request = reading::creation(&owned);
    check(&judge(&set(&[policy("p", json!({"controllers": "Enforce"}))]), &request), &[], &[]);
    let named = json!({"match": {"kinds": ["Pod", "ReplicaSet"]}});
    check(&judge(&set(&[policy("p", named)]), &request), &[AT], &[]);
}

#[test]
fn an_owner_that_could_not_have_made_it_lets_nothing_in() {
    let set = set(&[policy("p", json!({"controllers": "Enforce"}))]);
    let owner = |version: &str, kind: &str, controller: bool| json!([{"apiVersion": version, "kind": kind, "name": "x", "controller": controller}]);
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "x", "namespace": "shop"},
        "spec": {"template": {"metadata": {}, "spec": bad_pod()["spec"]}}});
    let deployment = deployment(&bad_pod());
    let mut replicas = deployment.clone();
    replicas["kind"] = json!("ReplicaSet");
    let mut stateful = deployment.clone();
    stateful["kind"] = json!("StatefulSet");
    for (object, owner, judged) in [
        (&deployment, owner("v1", "ConfigMap", true), true),
        (&deployment, owner("apps/v1", "Deployment", true), true),
        (&stateful, owner("example.com/v1", "Database", true), true),
        (&replicas, owner("example.com/v1", "Deployment", true), true),
        (&replicas, owner("v1", "Deployment", true), true),
        (&replicas, owner("apps/v1", "StatefulSet", true), true),
        (&replicas, owner("apps/v1", "Deployment", false), true),
        (&replicas, owner("apps/v1", "Deployment", true), false),
        (&job, owner("apps/v1", "Deployment", true), true),
        (&job, owner("batch/v1", "CronJob", true), false),
        (&job, owner("batch/v1beta1", "CronJob", true), false),
    ] {
        let mut object = object.clone();
        object["metadata"]["ownerReferences"] = owner;
        let want: &[&str] = if judged { &[AT] } else { &[] };
        check(&judge(&set, &reading::creation(&object)), want, &[]);
    }
}

#[test]
fn to_scale_what_was_let_in_is_no_new_violation() {
    let set = set(&[policy("p", json!({"controllers": "Enforce"}))]);
    let old = deployment(&bad_pod());
    let mut new = old.clone();
    new["spec"]["replicas"] = json!(50);
    check(&judge(&set, &update(&old, &new)), &[], &[AT]);
    new["spec"]["template"]["spec"]["containers"][0]["image"] = json!("bad.example/api:2");
    check(&judge(&set, &update(&old, &new)), &[AT], &[]);
}

#[test]
fn conditions_on_users_see_the_controller_s_own_account() {
    let scope =
        json!({"kinds": ["Pod"], "users": ["system:serviceaccount:kube-system:replicaset-controller"]});
    let set = set(&[policy("p", json!({"match": scope}))]);
    check(&judge(&set, &reading::creation(&deployment(&bad_pod()))), &[], &[AT]);
    check(&judge(&set, &reading::creation(&bad_pod())), &[], &[]);
}
