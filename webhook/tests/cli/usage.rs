//! What all commands share: help, wrong usage, missing input, colours, and who reads the output.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use super::desk::{DEPLOYMENT, Desk, check, check_with};

#[test]
fn help_is_no_error_and_says_how_to_begin() {
    check(
        "--help",
        0,
        &["Two gates for Kubernetes", "sallyport check POLICIES", "Exit codes: 0 passed"],
        &[],
    );
    check("help admit", 0, &["--policies <POLICIES> <OBJECTS>...", "- for standard input"], &[]);
    for command in ["serve", "admit", "explain", "check", "test", "simulate", "crds", "completions", "man"] {
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
    check("serve -p policies", 2, &[], &["were not provided", "--standalone"]);
    check("serve --standalone", 2, &[], &["were not provided", "--policies <POLICIES>"]);
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
fn the_crds_that_are_printed_are_those_of_the_repository() {
    let desk = Desk::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests/crds");
    assert!(desk.run("crds --dir crds", "").status.success());
    let files = |folder: &Path| {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
        let mut files: Vec<(String, String)> = entries
            .map(|file| (file.file_name().into_string().unwrap(), fs::read_to_string(file.path()).unwrap()))
            .filter(|(name, _)| name != "Kustomization")
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
        "explain --all -o json -p policies many.yaml",
        "simulate --details -p policies many.yaml",
        "admit -o sarif -p policies many.yaml",
        "admit -o junit -p policies many.yaml",
        "crds",
        "completions zsh",
        "man",
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
