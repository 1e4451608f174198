//! `sallyport simulate`.

use std::fs;

use serde_json::Value;

use super::desk::{Desk, check};

const AUDITED: &str = "\
apiVersion: sallyport.dev/v1alpha1
kind: WorkloadPolicy
metadata: {name: audited}
spec:
  mode: Audit
  match: {namespaces: [shop], kinds: [Pod]}
  mutate:
    - {name: token, automountServiceAccountToken: false}
  validate:
    - name: no-root
      mode: Warn
      cel: {forEach: containers, expression: 'item.?securityContext.?runAsUser.orValue(1) != 0', message: found root}
";

fn desk() -> Desk {
    let desk = Desk::new();
    fs::write(desk.path("audited.yaml"), AUDITED).unwrap();
    desk
}

#[test]
fn what_only_warns_today_is_enforced_in_a_simulation() {
    let desk = desk();
    desk.check(
        "admit -p audited.yaml objects",
        0,
        &["0 changed, 0 refused", "no-root warning spec.containers[root]"],
        &[],
    );
    desk.check(
        "simulate -p audited.yaml -n shop objects bare.yaml",
        1,
        &[
            "With every policy enforced, of 3 objects: 1 refused, 2 changed\n",
            "      1        ·        ·  audited/no-root (mode Warn today)\n",
            // What is set of an object counts, though another entry refuses it.
            "      ·        2        ·  audited/token (mode Audit today)\n",
            "✗ Pod shop/root  objects/root.yaml\n",
            "  objects/root.yaml:5 audited/no-root refused spec.containers[root]: found root\n",
        ],
        &[],
    );
    let output = desk.run("simulate --details -p audited.yaml objects", "");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("· Deployment shop/api  objects/deployment.yaml\n"), "{text}");
}

#[test]
fn where_nothing_would_be_refused_a_simulation_passes() {
    check("simulate -p policies objects", 0, &["of 2 objects: 0 refused, 2 changed"], &[]);
    check(
        "simulate -p policies bare.yaml",
        0,
        &["0 refused, 0 changed"],
        &["! no policy is about the one pod here"],
    );
    check("simulate -p policies -n shop bare.yaml", 0, &["0 refused, 1 changed"], &[]);
}

#[test]
fn a_simulation_says_of_each_entry_and_object_what_programs_need() {
    let output = desk().run("simulate -o json -p audited.yaml -n shop objects bare.yaml", "");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [token, no_root, deployment, pod, bare] = lines.as_slice() else { panic!("{text}") };
    assert_eq!((&no_root["entry"], &no_root["mode"]), (&"audited/no-root".into(), &"Warn".into()));
    assert_eq!((&no_root["refused"], &token["changed"]), (&1.into(), &2.into()));
    assert_eq!((&deployment["changed"], &bare["changed"]), (&false.into(), &true.into()));
    assert_eq!((&pod["refused"], &pod["changed"]), (&true.into(), &true.into()));
    assert_eq!(pod["findings"][0]["level"], "error");
    assert_eq!(pod["findings"][0]["line"], 5);
}

#[test]
fn a_mutation_and_a_validation_of_one_name_are_two_entries() {
    let desk = Desk::new();
    fs::write(desk.path("audited.yaml"), AUDITED.replace("name: no-root", "name: token")).unwrap();
    desk.check(
        "simulate -p audited.yaml -n shop objects bare.yaml",
        1,
        &[
            "      1        ·        ·  audited/validate/token (mode Warn today)\n",
            "      ·        2        ·  audited/mutate/token (mode Audit today)\n",
            ":5 audited/token refused spec.containers[root]: found root\n",
        ],
        &[],
    );
    let output = desk.run("simulate -o sarif -p audited.yaml objects", "");
    let log: Value = serde_json::from_slice(&output.stdout).unwrap();
    let result = &log["runs"][0]["results"][0];
    assert_eq!(result["ruleId"], "audited/validate/token");
    let region = &result["relatedLocations"][0]["physicalLocation"]["region"];
    assert_eq!(region["startLine"], 10, "the validation's line: {region}");
}

#[test]
fn many_objects_come_out_in_the_order_of_their_files() {
    let desk = desk();
    fs::create_dir(desk.path("many")).unwrap();
    for number in 0..700 {
        let pod = format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: p{number:03}, namespace: shop}}, spec: {{containers: []}}}}"
        );
        fs::write(desk.path(&format!("many/p{number:03}.yaml")), pod).unwrap();
    }
    let output = desk.run("admit -o json -p policies many", "");
    let text = String::from_utf8(output.stdout).unwrap();
    let names: Vec<String> = text
        .lines()
        .map(|line| {
            serde_json::from_str::<Value>(line).unwrap()["object"]["name"].as_str().unwrap().to_owned()
        })
        .collect();
    let wanted: Vec<String> = (0..700).map(|number| format!("p{number:03}")).collect();
    assert_eq!(names, wanted);
    assert!(output.stderr.is_empty(), "no bar is drawn where there is no terminal");
}
