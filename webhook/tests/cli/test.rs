//! `sallyport test`.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};

use super::desk::Desk;

const CASES: &str = "\
apiVersion: sallyport.dev/v1alpha1
kind: PolicyTest
policies: [policies, no-root.yaml]
cases:
  - name: a silent pod is given what it lacks
    file: objects/deployment.yaml
    expect:
      violations: []
      changes: {spec.template.spec.securityContext.runAsNonRoot: true}
      mutated: {spec: {template: {spec: {automountServiceAccountToken: true, hostNetwork: null}}}}
  - name: root is refused
    file: objects/root.yaml
    expect:
      violations: [users/no-root]
      leftAlone: [hardening/restricted spec.securityContext.runAsNonRoot]
";

const NO_ROOT: &str = "\
apiVersion: sallyport.dev/v1alpha1
kind: WorkloadPolicy
metadata: {name: users}
spec:
  match: {namespaces: [shop], kinds: [Pod], operations: [CREATE, UPDATE, DELETE]}
  exclude: {users: [admin], operations: [CREATE, UPDATE, DELETE]}
  validate:
    - name: no-root
      when: request.operation != 'DELETE'
      cel: {forEach: containers, expression: 'item.?securityContext.?runAsUser.orValue(1) != 0', message: found root}
    - name: keep
      when: request.operation == 'DELETE'
      cel: {expression: 'false', message: stays}
";

fn desk(cases: &str) -> Desk {
    let desk = Desk::new();
    fs::write(desk.path("no-root.yaml"), NO_ROOT).unwrap();
    fs::write(desk.path("shop.test.yaml"), cases).unwrap();
    desk
}

/// A file of one case about the pod root, with these further lines.
fn case(lines: &str) -> String {
    format!(
        "apiVersion: sallyport.dev/v1alpha1\nkind: PolicyTest\npolicies: [no-root.yaml]\ncases:\n  - name: one\n    \
         file: objects/root.yaml\n{lines}"
    )
}

#[test]
fn cases_that_hold_pass() {
    desk(CASES).check(
        "test .",
        0,
        &["shop.test.yaml\n", "  ✓ a silent pod is given what it lacks\n", "\n2 cases: 2 passed, 0 failed\n"],
        &[],
    );
}

#[test]
fn a_case_says_all_that_a_request_says() {
    for (lines, code) in [
        ("    expect: {allowed: false}\n", 0),
        ("    user: admin\n    expect: {allowed: true}\n", 0),
        ("    operation: DELETE\n    expect: {violations: [users/keep]}\n", 0),
        ("    operation: DELETE\n    user: admin\n    expect: {violations: []}\n", 0),
        ("    with: {metadata: {namespace: null}}\n    expect: {unchanged: true}\n", 0),
        (
            "    with: {metadata: {namespace: null}}\n    namespace: shop\n    expect: {violations: [users/no-root]}\n",
            0,
        ),
        (
            "    with: {spec: {containers: [{name: root, securityContext: {runAsUser: 1}}]}}\n    expect: {allowed: true}\n",
            0,
        ),
        (
            "    with: {spec: {containers: [{name: root, securityContext: null}]}}\n    expect: {allowed: false}\n",
            1,
        ),
        ("    skip: not now\n    expect: {allowed: true}\n", 0),
        ("    expect: {violations: ['users/no-root spec.containers[root]']}\n", 0),
        ("    expect: {violations: ['users/no-root spec.containers[other]']}\n", 1),
        ("    expect: {violations: [users/no-root, users/keep]}\n", 1),
        ("    expect: {allowed: false, warnings: [users/keep]}\n", 1),
    ] {
        desk(&case(lines)).check("test shop.test.yaml", code, &["1 case: "], &[]);
    }
}

#[test]
fn a_case_that_fails_shows_what_was_expected_and_what_was_got() {
    let cases = CASES
        .replace("runAsNonRoot: true}", "runAsNonRoot: false}")
        .replace("hostNetwork: null", "hostNetwork: true")
        .replace("violations: [users/no-root]", "violations: []");
    desk(&cases).check(
        "test .",
        1,
        &[
            "  ✗ a silent pod is given what it lacks  ./shop.test.yaml:5\n",
            "    changes[spec.template.spec.securityContext.runAsNonRoot]: expected false, got true\n",
            "    -       hostNetwork: true\n    +       hostNetwork: null\n",
            "    allowed: expected true, got false\n",
            "    + users/no-root spec.containers[root]: found root\n",
            "\n2 cases: 0 passed, 2 failed\n",
        ],
        &[],
    );
}

#[test]
fn a_field_that_its_author_wrote_is_no_change() {
    desk(&case(
        "    expect: {allowed: false, changes: {'spec.containers[root].securityContext.runAsUser': 0}}\n",
    ))
    .check("test .", 1, &["    + (as it was written)\n"], &[]);
}

#[test]
fn a_case_that_is_wrong_is_shown_with_its_line() {
    for (lines, wanted) in [
        ("    expct: {}\n", "shop.test.yaml:7:5 cases[one].expct\n   unknown field expct"),
        ("    expect: {violation: []}\n", "did you mean violations?"),
        ("    expect: {}\n", "nothing is expected"),
        ("    expect: {violations: [users/no-rot]}\n", "did you mean users/no-root?"),
        ("    expect: {violations: [no-root]}\n", "did you mean users/no-root?"),
        ("    operation: create\n    expect: {allowed: true}\n", "did you mean CREATE?"),
        (
            "    operation: UPDATE\n    expect: {allowed: true}\n",
            "an UPDATE has an object that was there before",
        ),
        ("    object: {}\n    expect: {allowed: true}\n", "an object is given already"),
        ("    document: Pod/other\n    expect: {allowed: true}\n", "there are Pod/root"),
        ("    now: tomorrow\n    expect: {allowed: true}\n", "such as 2030-01-31T18:00:00Z"),
        ("    policies: [objects]\n    expect: {allowed: true}\n", "no WorkloadPolicy is in objects"),
        ("    policies: [misspelt.yaml]\n    expect: {allowed: true}\n", "misspelt.yaml:6:3 spec.mutat"),
    ] {
        desk(&case(lines)).check("test shop.test.yaml", 2, &[], &[wanted]);
    }
    desk("kind: PolicyTest\napiVersion: sallyport.dev/v1\ncases: []\n").check(
        "test .",
        2,
        &[],
        &["expected sallyport.dev/v1alpha1 PolicyTest"],
    );
    desk(CASES).check(
        "test objects",
        2,
        &[],
        &["objects\n   no *.test.yaml, *.test.yml or *.test.json file"],
    );
}

#[test]
fn other_commands_leave_files_of_cases_out_of_folders() {
    let desk = desk(CASES);
    fs::copy(desk.path("shop.test.yaml"), desk.path("policies/shop.test.yaml")).unwrap();
    desk.check("check policies", 0, &["✓ 1 WorkloadPolicy is right"], &[]);
    desk.check("admit -p policies objects", 0, &["3 objects: 2 changed"], &[]);
    let wanted = "a PolicyTest is no policy; run it with sallyport test";
    desk.check("check policies policies/shop.test.yaml", 0, &[wanted], &[]);
}

#[test]
fn programs_read_the_results() {
    let desk = desk(
        &CASES
            .replace("violations: [users/no-root]", "skip: x")
            .replace("      skip: x\n", "      allowed: true\n"),
    );
    let output = desk.run("test -o json .", "");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["passed"], true);
    assert_eq!(lines[1]["mismatches"][0]["field"], "allowed");
    assert_eq!(lines[1]["line"], json!(11));
    let xml = String::from_utf8(desk.run("test -o junit .", "").stdout).unwrap();
    assert!(
        xml.contains("tests=\"2\" failures=\"1\"") && xml.contains("allowed is not as expected"),
        "{xml}"
    );
}

#[test]
fn watched_cases_are_run_again_when_a_policy_changes() {
    let desk = desk(CASES);
    let mut child = desk
        .program("test --watch shop.test.yaml")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut err = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut summary = || out.find(|line| line.as_ref().unwrap().contains(" cases: ")).unwrap().unwrap();
    assert_eq!(summary(), "2 cases: 2 passed, 0 failed");
    // From here on a change is noticed.
    assert_eq!(err.next().unwrap().unwrap(), "waiting for changes");
    fs::write(desk.path("no-root.yaml"), NO_ROOT.replace("!= 0", "!= 99")).unwrap();
    let after = summary();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(after, "2 cases: 1 passed, 1 failed");
}

#[test]
fn a_file_of_policies_that_is_wrong_is_told_of_and_not_that_none_is_there() {
    let desk = desk(&case("    policies: [pol]\n    expect: {allowed: true}\n"));
    fs::create_dir(desk.path("pol")).unwrap();
    fs::write(desk.path("pol/a.yaml"), "spec: {a: 1, a: 2}\n").unwrap();
    let output = desk.run("test shop.test.yaml", "");
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("duplicate key a") && text.contains("1 error in 1 file"), "{text}");
}

#[test]
fn a_change_of_the_pod_is_found_in_the_template() {
    let cases =
        CASES.replace("spec.template.spec.securityContext.runAsNonRoot", "spec.securityContext.runAsNonRoot");
    let wanted = "(did you mean spec.template.spec.securityContext.runAsNonRoot?)\n";
    desk(&cases).check("test .", 1, &["changes[spec.securityContext.runAsNonRoot]", wanted], &[]);
}

#[test]
fn an_element_that_is_nowhere_in_the_list_is_told_of() {
    let lines = "    with: {spec: {containers: [{name: rot, securityContext: {runAsUser: 1}}]}}\n    expect: {allowed: false}\n";
    desk(&case(lines)).check(
        "test shop.test.yaml",
        0,
        &["1 case: 1 passed"],
        &[
            "warning: shop.test.yaml:7:5 cases[0].with",
            "no rot in containers: it is added",
            "did you mean root?",
        ],
    );
}

#[test]
fn a_field_that_kubernetes_does_not_know_is_told_of_once_for_all_cases() {
    let cases = case(
        "    expect: {allowed: false}\n  - name: two\n    file: objects/root.yaml\n    expect: {allowed: false}\n",
    );
    let desk = desk(&cases);
    let pod = fs::read_to_string(desk.path("objects/root.yaml")).unwrap();
    fs::write(desk.path("objects/root.yaml"), pod.replace("spec:", "spec:\n  hostNetwrok: true")).unwrap();
    let told = ["objects/root.yaml:5:3 spec.hostNetwrok", "did you mean hostNetwork?", "1 warning in 1 file"];
    desk.check("test shop.test.yaml", 0, &["2 cases: 2 passed"], &told);
}

/// The five systems hold what they say they hold.
#[test]
fn the_examples_cases_hold() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests/examples");
    let output = Desk::new().program("test -o json").arg(&examples).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let names: Vec<Value> =
        text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["name"].clone()).collect();
    for requirement in
        ["M1", "M3", "M8", "F1", "F4", "F10", "F12", "A1", "A6", "A7", "A8", "V1", "V6", "P1", "P6"]
    {
        let of_it = |name: &&Value| name.as_str().unwrap().split(' ').next() == Some(requirement);
        assert!(names.iter().any(|name| of_it(&name)), "no case for {requirement}");
    }
}
