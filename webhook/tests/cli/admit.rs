//! `sallyport admit`.

use std::fs;

use serde_json::{Value, json};

use super::desk::{DEPLOYMENT, Desk, POLICY, ROOT_POD, VALIDATION, check, check_with};

#[test]
fn admit_shows_a_diff_who_made_it_and_what_was_left_alone() {
    check(
        "admit -p policies objects",
        0,
        &[
            "· Deployment shop/api unchanged",
            "✓ Pod of Deployment shop/api\n",
            "    +     runAsNonRoot: true\n",
            "  hardening/restricted set 1 field\n",
            "✓ Pod shop/root\n",
            "hardening/restricted left alone spec.securityContext.runAsNonRoot: container root sets runAsUser: 0",
            "\n3 objects: 2 changed, 0 refused\n",
        ],
        &[],
    );
    check("admit -p validation.yaml objects", 0, &["3 objects: 0 changed, 0 refused"], &[]);
}

#[test]
fn an_object_that_is_refused_exits_with_1() {
    let refused =
        &["✗ Pod shop/root\n", "failing/label refused", "no such key: nowhere", "0 changed, 2 refused"];
    check("admit -p failing.yaml objects", 1, refused, &[]);
    check("admit -p failing.yaml -o json objects", 1, &["\"allowed\":false"], &[]);
    check("explain -p failing.yaml objects", 1, &["  ✗ the object ", "failing/label failing.yaml:7\n"], &[]);
}

#[test]
fn objects_that_name_no_namespace_are_in_the_one_that_is_given() {
    check(
        "admit -p policies bare.yaml",
        0,
        &["· Pod default/bare unchanged: no policy is about it\n", "1 object: 0 changed"],
        &[
            "! no policy is about the one pod here: they are about the namespaces shop\n",
            "objects that name no namespace count as in default; -n NAME says in which they are\n",
        ],
    );
    check("admit -p policies -n shop bare.yaml", 0, &["1 object: 1 changed"], &[]);
    check("admit -p policies -n shop objects bare.yaml", 0, &["4 objects: 3 changed"], &[]);
}

#[test]
fn standard_input_lists_and_several_documents_are_read() {
    let two = format!("{DEPLOYMENT}---\n{ROOT_POD}");
    check_with("admit -p policies -", &two, 0, &["3 objects: 2 changed"], &[]);
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "shop"}, "spec": {"containers": []}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b", "namespace": "shop"}},
    ]});
    check_with(
        "admit -p policies -",
        &list.to_string(),
        0,
        &["✓ Pod shop/a", "· ConfigMap shop/b unchanged", "2 objects: 1 changed"],
        &[],
    );
    check_with("admit -p - objects", POLICY, 0, &["3 objects: 2 changed"], &[]);
    check_with("admit -p policies -", "{{ .Values.x }}\n", 2, &[], &["this is a template, not YAML"]);
}

#[test]
fn admit_prints_one_line_of_json_for_each_object() {
    let output = Desk::new().run("admit -o json -p policies objects", "");
    assert!(output.status.success() && output.stderr.is_empty());
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [deployment, its_pod, root] = lines.as_slice() else { panic!("{text}") };

    for line in &lines {
        let fields: Vec<&str> = line.as_object().unwrap().keys().map(String::as_str).collect();
        let wanted = [
            "allowed",
            "changes",
            "excepted",
            "mutated",
            "object",
            "patch",
            "skipped",
            "violations",
            "warnings",
        ];
        assert_eq!(fields, wanted);
        assert_eq!(line["allowed"], true);
    }
    assert_eq!(deployment["object"], json!({"kind": "Deployment", "namespace": "shop", "name": "api"}));
    assert_eq!(deployment["patch"], json!([]));
    assert_eq!(deployment["mutated"]["kind"], "Deployment");
    assert_eq!(its_pod["object"]["owner"], json!({"kind": "Deployment", "name": "api"}));
    assert_eq!(its_pod["object"]["generateName"], "api-0000000000-");
    assert_eq!(
        its_pod["changes"],
        json!([{"policy": "hardening", "entry": "restricted", "mode": "Enforce", "path": "spec.securityContext.runAsNonRoot"}])
    );
    assert_eq!(its_pod["mutated"]["spec"]["automountServiceAccountToken"], true);
    assert_eq!(
        root["skipped"],
        json!([{
            "policy": "hardening", "list": "mutate", "entry": "restricted",
            "path": "spec.securityContext.runAsNonRoot",
            "message": "container root sets runAsUser: 0",
        }])
    );
    // The patch is about the object as it was written.
    let mut patched: Value = serde_saphyr::from_str(ROOT_POD).unwrap();
    json_patch::patch(
        &mut patched,
        &serde_json::from_value::<json_patch::Patch>(root["patch"].clone()).unwrap(),
    )
    .unwrap();
    assert_eq!(patched, root["mutated"]);
    assert_eq!(patched["spec"]["automountServiceAccountToken"], false);
}

#[test]
fn a_title_has_the_namespace_that_the_object_is_taken_to_be_in() {
    check("admit -p policies -n shop bare.yaml", 0, &["✓ Pod shop/bare\n"], &[]);
    check("explain -p policies -n shop bare.yaml", 0, &["Pod shop/bare  bare.yaml:2\n"], &[]);
}

#[test]
fn a_field_that_kubernetes_does_not_know_is_told_of() {
    let desk = Desk::new();
    let pod = ROOT_POD.replace("spec:", "spec:\n  contianers: []").replace(
        "securityContext: {runAsUser: 0}",
        "securityContex: {runAsUser: 0}, resources: {limits: {cpu: 1}}",
    );
    fs::write(desk.path("pod.yaml"), pod).unwrap();
    let cron = "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: c, namespace: shop}\nspec: {schedule: '* * * * *', \
        jobTemplate: {spec: {template: {spec: {restartPolicy: Never, hostNetwrok: true, containers: []}}}}}\n";
    fs::write(desk.path("cron.yaml"), cron).unwrap();
    let told = [
        "warning: pod.yaml:5:3 spec.contianers\n   unknown field contianers: the API server refuses it, or drops it\n",
        "did you mean containers?",
        "spec.containers[root].securityContex\n",
        "did you mean securityContext?",
        "2 warnings in 1 file",
    ];
    for command in ["admit", "explain", "simulate"] {
        desk.check(&format!("{command} -p policies pod.yaml"), 0, &[], &told);
    }
    let told = ["spec.jobTemplate.spec.template.spec.hostNetwrok", "did you mean hostNetwork?"];
    desk.check("admit -p policies cron.yaml", 0, &[], &told);
    // An object of another kind, and one of a group that has a kind of this name.
    let other = "apiVersion: example.com/v1\nkind: Deployment\nmetadata: {name: d, namespace: shop}\nspec: {odd: 1}\n";
    fs::write(desk.path("other.yaml"), other).unwrap();
    desk.check("admit -p policies other.yaml", 0, &[], &[]);
}

#[test]
fn the_patch_is_the_one_that_the_webhook_sends() {
    let desk = Desk::new();
    let policy = "\
apiVersion: sallyport.dev/v1alpha1
kind: WorkloadPolicy
metadata: {name: prepared}
spec:
  match: {kinds: [Pod]}
  mutate:
    - name: prepare
      initContainer: {position: First, container: {name: prepare, image: registry.example.com/prepare}}
";
    let pod = ROOT_POD
        .replace("spec:\n", "spec:\n  initContainers: [{name: own, image: registry.example.com/own}]\n");
    fs::write(desk.path("prepared.yaml"), policy).unwrap();
    fs::write(desk.path("pod.yaml"), pod).unwrap();
    let output = desk.run("admit -o json -p prepared.yaml pod.yaml", "");
    let line: Value = serde_json::from_slice(&output.stdout).unwrap();
    let operations: Vec<(&str, &str)> = line["patch"]
        .as_array()
        .unwrap()
        .iter()
        .map(|operation| (operation["op"].as_str().unwrap(), operation["path"].as_str().unwrap()))
        .collect();
    assert_eq!(operations, [("add", "/spec/initContainers/0")], "a container before others is one operation");
}

#[test]
fn what_a_controller_and_its_pod_are_told_alike_is_printed_once() {
    let desk = Desk::new();
    fs::write(desk.path("foreign.yaml"), DEPLOYMENT.replace("registry.example.com", "docker.io")).unwrap();
    for (mode, wanted) in [
        // The controller is warned of what its pod is refused for: the pod says so.
        (
            "Warn",
            "· Deployment shop/api unchanged\n\n✗ Pod of Deployment shop/api\n  images/own-registry refused spec.containers[api].image: ",
        ),
        (
            "Enforce",
            "✗ Deployment shop/api\n  images/own-registry refused spec.template.spec.containers[api].image: ",
        ),
    ] {
        let policy = VALIDATION.replace("spec:\n", &format!("spec:\n  controllers: {mode}\n"));
        fs::write(desk.path("images.yaml"), policy).unwrap();
        let output = desk.run("admit -p images.yaml foreign.yaml", "");
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(text.matches("docker.io/api").count(), 1, "{mode}: {text}");
        let why = "refused for what its controller is refused for";
        assert_eq!(text.contains(why), mode == "Enforce", "{text}");
        assert!(text.contains(wanted), "{text}");
        let output = desk.run("admit -o json -p images.yaml foreign.yaml", "");
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(
            text.matches(r#""entry":"own-registry""#).count(),
            2,
            "programs are told all of each: {text}"
        );
    }
}
