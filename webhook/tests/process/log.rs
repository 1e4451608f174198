//! The log, signals, and what the operator says of every set of policies.

use serde_json::{Value, json};

use crate::program::{POLICY, Program, review};

/// What it says where it does not start.
fn refuses_to_start(policy: &str, args: &[&str]) -> Vec<Value> {
    let dir = Program::dir();
    std::fs::write(dir.path().join("policies/team.yaml"), policy).unwrap();
    let output = Program::command(dir.path()).args(args).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}")))
        .collect()
}

#[test]
fn why_it_does_not_start_is_json_where_the_log_is() {
    let misspelt = POLICY.replace("mutate:", "mutat:");
    let says = |lines: &[Value], part: &str| {
        let found = lines.iter().any(|line| line["level"] == "ERROR" && line.to_string().contains(part));
        assert!(found, "{part} in {lines:#?}");
    };
    says(&refuses_to_start(&misspelt, &[]), "spec.mutat");
    says(
        &refuses_to_start(POLICY, &["--audit-log", "nowhere/audit.jsonl"]),
        "cannot open the audit log nowhere/",
    );
    says(&refuses_to_start(POLICY, &["--tls-cert", "a.pem", "--tls-key", "a.pem"]), "a.pem");
    says(&refuses_to_start(POLICY, &["--otlp-endpoint", "not a url"]), "traces can't be sent");
}

#[tokio::test]
async fn a_hangup_ends_nothing() {
    let mut program = Program::start(&[]);
    for _ in 0..3 {
        program.signal("HUP");
        program.says("nothing to reopen: there is no audit log");
    }
    assert_eq!(program.post("/mutate", &review("u")).await.0, 200);
    assert!(program.end().0.success());
}

#[tokio::test]
async fn malformed_requests_are_all_counted_and_told_of_or_counted_as_not() {
    let mut program = Program::start(&[]);
    for _ in 0..100 {
        assert_eq!(program.post("/mutate", &json!({})).await.0, 400);
    }
    let suppressed = program.metric("sallyport_log_lines_suppressed_total").await;
    assert_eq!(program.metric("sallyport_admission_malformed_total{reason=\"missing\"}").await, 100.0);
    assert!(program.end().0.success());
    let told = program.said.iter().filter(|line| line["reason"] == "missing").count();
    assert_eq!(told as f64 + suppressed, 100.0);
}

#[tokio::test]
async fn namespaces_that_are_named_are_out_of_reach() {
    for (args, changed) in [
        (vec!["--namespace", "gate", "--exclude-namespace", "mesh"], true),
        (vec!["--namespace", "shop"], false),
        (vec!["--exclude-namespace", "mesh", "--exclude-namespace", "shop"], false),
    ] {
        let program = Program::start(&args);
        let (_, answer) = program.post("/mutate", &review("u")).await;
        assert_eq!(answer.contains("patch"), changed, "{args:?}: {answer}");
    }
}
