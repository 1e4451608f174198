//! The program as people and pipelines run it: commands, what they print, and what they exit with.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

const POLICY: &str = "\
apiVersion: sallyport.dev/v1alpha1
kind: WorkloadPolicy
metadata: {name: hardening}
spec:
  match: {namespaces: [shop], kinds: [Pod]}
  mutate:
    - name: restricted
      securityContext:
        pod: {runAsNonRoot: true}
    - name: token
      automountServiceAccountToken: false
";

const MISSPELT: &str = "\
apiVersion: sallyport.dev/v1alpha1
kind: WorkloadPolicy
metadata: {name: misspelt}
spec:
  match: {kinds: [Pod]}
  mutat: []
";

const VALIDATION: &str = "\
apiVersion: sallyport.dev/v1alpha1
kind: WorkloadPolicy
metadata: {name: images}
spec:
  match: {kinds: [Pod]}
  validate:
    - name: own-registry
      images: {registries: [registry.example.com]}
";

const FAILING: &str = "\
apiVersion: sallyport.dev/v1alpha1
kind: WorkloadPolicy
metadata: {name: failing}
spec:
  match: {kinds: [Pod]}
  mutate:
    - name: label
      when: object.spec.nowhere == 1
      metadata: {labels: {tier: web}}
";

const DEPLOYMENT: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: api, namespace: shop}
spec:
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api}}
    spec:
      automountServiceAccountToken: true
      containers: [{name: api, image: \"registry.example.com/api:1\"}]
";

const ROOT_POD: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: root, namespace: shop}
spec:
  containers: [{name: root, image: \"registry.example.com/root:1\", securityContext: {runAsUser: 0}}]
";

const NO_NAMESPACE: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: bare}
spec:
  containers: [{name: bare, image: \"registry.example.com/bare:1\"}]
";

/// A folder with the files above.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        let desk = Self(TempDir::new().unwrap());
        for (file, text) in [
            ("policies/hardening.yaml", POLICY),
            ("misspelt.yaml", MISSPELT),
            ("validation.yaml", VALIDATION),
            ("failing.yaml", FAILING),
            ("objects/deployment.yaml", DEPLOYMENT),
            ("objects/root.yaml", ROOT_POD),
            ("bare.yaml", NO_NAMESPACE),
            ("empty/README.md", "no YAML\n"),
        ] {
            let path = desk.path(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        desk
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    /// The program with these arguments, in this folder.
    fn program(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sallyport"));
        command.args(arguments.split_whitespace()).current_dir(self.0.path());
        for variable in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "RUST_LOG"] {
            command.env_remove(variable);
        }
        command
    }

    fn run(&self, arguments: &str, stdin: &str) -> Output {
        let mut command = self.program(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A program that reads no input may have ended by now.
        child.stdin.take().unwrap().write_all(stdin.as_bytes()).ok();
        child.wait_with_output().unwrap()
    }
}

/// Runs the command, and holds its exit code and the texts that its standard output and standard error hold. Where
/// none is wanted of standard error, that is empty.
#[track_caller]
fn check(arguments: &str, code: i32, on_stdout: &[&str], on_stderr: &[&str]) {
    check_with(arguments, "", code, on_stdout, on_stderr);
}

#[track_caller]
fn check_with(arguments: &str, stdin: &str, code: i32, on_stdout: &[&str], on_stderr: &[&str]) {
    let output = Desk::new().run(arguments, stdin);
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    let all = format!("sallyport {arguments}\n--- stdout\n{out}\n--- stderr\n{err}");
    assert_eq!(output.status.code(), Some(code), "{all}");
    for (text, wanted) in [(&out, on_stdout), (&err, on_stderr)] {
        for wanted in wanted {
            assert!(text.contains(wanted), "{wanted:?} is not in\n{all}");
        }
    }
    assert!(!on_stderr.is_empty() || err.is_empty(), "{all}");
}

#[test]
fn help_is_no_error_and_says_how_to_begin() {
    check(
        "--help",
        0,
        &["Two gates for Kubernetes", "sallyport check POLICIES", "Exit codes: 0 passed"],
        &[],
    );
    check("help admit", 0, &["--policies <POLICIES> <OBJECTS>...", "- for standard input"], &[]);
    for command in ["serve", "admit", "explain", "check", "crds"] {
        check(&format!("{command} --help"), 0, &[&format!("Usage: sallyport {command}")], &[]);
    }
    check("--version", 0, &[&format!("sallyport {}", env!("CARGO_PKG_VERSION"))], &[]);
}

#[test]
fn wrong_usage_exits_with_2_and_says_what_is_expected() {
    check("", 2, &[], &["Usage: sallyport <COMMAND>"]);
    check("frobnicate", 2, &[], &["unrecognized subcommand 'frobnicate'"]);
    check("admit", 2, &[], &["--policies <POLICIES>", "<OBJECTS>..."]);
    check("admit --polices policies objects", 2, &[], &["a similar argument exists: '--policies'"]);
    check("admit -o yaml -p policies objects", 2, &[], &["[possible values: text, json, sarif, junit]"]);
    check("admit -p - -", 2, &[], &["standard input (-) can be read once only"]);
    check("check", 2, &[], &["<POLICIES>..."]);
    check("serve -p policies", 2, &[], &["is not there yet", "--standalone --policies DIR"]);
    check("serve --standalone", 2, &[], &["--standalone needs --policies DIR"]);
    check("serve --standalone -p -", 2, &[], &["can't come from standard input"]);
    check("serve --standalone -p policies --listen 8443", 2, &[], &["such as 127.0.0.1:8443"]);
    check("serve --standalone -p policies --tls-cert a.pem", 2, &[], &["--tls-key <FILE>"]);
}

#[test]
fn input_that_is_not_there_exits_with_2_and_is_named() {
    check("check nowhere", 2, &["nowhere\n   no such file or folder"], &[]);
    check("check empty", 2, &["empty\n   no *.yaml, *.yml or *.json file in this folder"], &[]);
    check("admit -p nowhere objects", 2, &[], &["nowhere\n   no such file or folder"]);
    check("admit -p policies nowhere", 2, &[], &["nowhere\n   no such file or folder"]);
    check("explain -p policies empty", 2, &[], &["no *.yaml, *.yml or *.json file"]);
    check("serve --standalone -p nowhere", 2, &[], &["no such file or folder"]);
    check(
        "serve --standalone -p policies --listen 127.0.0.1:0 --operations 127.0.0.1:0 --tls-cert a.pem --tls-key a.pem",
        2,
        &[],
        &["error: cannot read a.pem: No such file or directory (os error 2)\n"],
    );
    check("check -", 2, &[], &["no policies in standard input"]);
    check("admit -p policies -", 2, &[], &["no objects in standard input: nothing is there"]);
    check_with("admit -p policies -", "# only a comment\n---\n", 2, &[], &["nothing is there"]);
}

#[test]
fn policies_and_objects_in_each_others_place_exit_with_2() {
    check("check objects", 2, &["a Deployment is no policy"], &["no policies in objects"]);
    check("check -o json objects", 2, &["\"severity\":\"warning\""], &["no policies in objects"]);
    check("admit -p objects policies", 2, &[], &["no policies in objects: expected WorkloadPolicies"]);
    check("admit -p policies policies", 2, &[], &["no objects in policies: policies go after --policies"]);
    check("explain -p policies policies", 2, &[], &["no objects in policies"]);
}

#[test]
fn check_says_what_is_right_and_where_it_is_wrong() {
    check("check policies", 0, &["✓ 1 WorkloadPolicy is right: 2 mutations, 0 validations"], &[]);
    check("check misspelt.yaml", 2, &["error: misspelt.yaml:6:3 spec.mutat", "did you mean mutate?"], &[]);
    check("check validation.yaml", 0, &["✓ 1 WorkloadPolicy is right: 0 mutations, 1 validation\n"], &[]);
    check_with("check -", POLICY, 0, &["✓ 1 WorkloadPolicy is right"], &[]);
    let output = Desk::new().run("check -o json policies misspelt.yaml", "");
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        serde_json::from_slice::<Value>(&output.stdout).unwrap(),
        json!({
            "file": "misspelt.yaml", "line": 6, "column": 3, "path": "spec.mutat", "severity": "error",
            "message": "unknown field mutat", "help": "did you mean mutate?",
        })
    );
}

#[test]
fn a_wrong_policy_admits_nothing() {
    check("admit -p policies -p misspelt.yaml objects", 2, &[], &["error: misspelt.yaml:6:3 spec.mutat"]);
    check("explain -p misspelt.yaml objects", 2, &[], &["error: misspelt.yaml:6:3 spec.mutat"]);
    check("serve --standalone -p misspelt.yaml", 2, &[], &["error: misspelt.yaml:6:3 spec.mutat"]);
}

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
        &["· Pod bare unchanged: no policy is about it\n", "1 object: 0 changed"],
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
            "policy": "hardening", "entry": "restricted", "path": "spec.securityContext.runAsNonRoot",
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
fn explain_names_the_line_of_the_policy_behind_each_field() {
    check(
        "explain -p policies objects",
        0,
        &[
            "Pod of Deployment shop/api  objects/deployment.yaml:2\n",
            "  + spec.securityContext.runAsNonRoot = true\n      hardening/restricted policies/hardening.yaml:7\n",
            "  + spec.automountServiceAccountToken = false\n      hardening/token policies/hardening.yaml:10\n",
            "  · spec.securityContext.runAsNonRoot left alone: container root sets runAsUser: 0\n",
        ],
        &[],
    );
}

#[test]
fn the_crds_that_are_printed_are_those_of_the_repository() {
    let desk = Desk::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests/crds");
    assert!(desk.run("crds --dir crds", "").status.success());
    let files = |folder: &Path| {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
        let mut files: Vec<(String, String)> = entries
            .map(|file| (file.file_name().into_string().unwrap(), fs::read_to_string(file.path()).unwrap()))
            .collect();
        files.sort();
        files
    };
    let written = files(&desk.path("crds"));
    assert_eq!(written.len(), 3);
    if folder.is_dir() {
        assert_eq!(written, files(&folder), "`make crds` writes them anew");
    }
    let printed = desk.run("crds", "").stdout;
    assert_eq!(String::from_utf8(printed).unwrap().matches("kind: CustomResourceDefinition\n").count(), 3);
}

#[test]
fn colours_are_for_those_who_want_them() {
    let desk = Desk::new();
    let shown = |variables: &[(&str, &str)]| {
        let mut command = desk.program("admit -p policies objects");
        let output = command.envs(variables.iter().copied()).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(!shown(&[]).contains('\u{1b}'), "a pipe is no terminal");
    assert!(shown(&[("CLICOLOR_FORCE", "1")]).contains('\u{1b}'));
    assert!(!shown(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]).contains('\u{1b}'));
}

#[test]
fn nothing_that_a_file_holds_steers_the_terminal_or_fakes_a_line() {
    // As a file would write it: all of these are escapes of JSON, and stand for the characters.
    const ODD: &str = r"a\n✓ Pod b\r\u001b]0;x\u0007\u009b2J\u007f\u2028\u061c\u200f\u202e\u2066z";
    let odd = |text: &str| text.replace("ODD", ODD);
    let desk = Desk::new();
    let object = r#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "ODD", "namespace": "shop",
        "labels": {"ODD": "ODD"}}, "spec": {"automountServiceAccountToken": "ODD", "priorityClassName": "ODD",
        "containers": [{"name": "ODD", "image": "ODD", "securityContext": {"runAsUser": 0}}]}}"#;
    let policy = r#"{"apiVersion": "sallyport.dev/v1alpha1", "kind": "WorkloadPolicy", "metadata": {"name": "p"},
        "spec": {"match": {"kinds": ["Pod"]}, "mutate": [
            {"name": "ODD", "securityContext": {"pod": {"runAsNonRoot": true}}},
            {"name": "labels", "strategy": "Override", "metadata": {"labels": {"ODD": "b"}}},
            {"name": "token", "strategy": "Override", "priorityClassName": "c"}]}}"#;
    let wrong = r#"{"apiVersion": "sallyport.dev/v1alpha1", "kind": "WorkloadPolicy", "metadata": {"name": "ODD"},
        "spec": {"ODD": 1, "mutat": ["ODD"], "match": {"kinds": ["ODD"]}}}"#;
    for (file, text) in [("odd.json", object), ("policy.json", policy), ("wrong.json", wrong)] {
        fs::write(desk.path(file), odd(text)).unwrap();
    }
    let name: String = serde_json::from_str(&format!("\"{ODD}\"")).unwrap();
    let marks: Vec<char> = name.chars().filter(|c| !c.is_ascii() && *c != '✓').collect();
    let steers = |c: char| (c.is_control() && c != '\n') || marks.contains(&c);
    for (arguments, told) in [
        ("admit -p policies odd.json", true),
        ("admit -p failing.yaml odd.json", true),
        ("admit -p policy.json odd.json", false),
        ("explain -p policies odd.json", true),
        ("explain -p policy.json odd.json", false),
        ("explain -p failing.yaml odd.json", true),
        ("check wrong.json", true),
        ("admit -p wrong.json odd.json", true),
    ] {
        let output = desk.run(arguments, "");
        let text = format!(
            "{}{}",
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap()
        );
        assert!(!text.contains(steers), "{arguments}\n{text:?}");
        assert!(!text.contains("\n✓ Pod b"), "{arguments}\n{text}");
        assert!(!told || text.contains(r"a\n✓ Pod b\r\u{1b}]0;x\u{7}\u{9b}2J"), "{arguments}\n{text}");
    }
    for (arguments, pointer) in
        [("admit -o json -p policies odd.json", "/object/name"), ("check -o json wrong.json", "/path")]
    {
        let text = String::from_utf8(desk.run(arguments, "").stdout).unwrap();
        assert!(!text.contains(steers), "{arguments}\n{text:?}");
        let first: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        assert!(first.pointer(pointer).unwrap().as_str().unwrap().contains(&name), "{text}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let desk = Desk::new();
    fs::write(desk.path("many.yaml"), format!("{DEPLOYMENT}---\n").repeat(500)).unwrap();
    for arguments in [
        "admit -p policies many.yaml",
        "admit -o json -p policies many.yaml",
        "explain -p policies many.yaml",
        "check policies",
        "check -o json misspelt.yaml",
        "crds",
        "--help",
    ] {
        let mut command = desk.program(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.code().is_some_and(|code| code != 101) && told.is_empty(),
            "{arguments}\n{told}"
        );
        assert!(output.status.success() || arguments.contains("misspelt"), "{arguments}");
    }
}
