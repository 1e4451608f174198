//! The log, signals, and what the operator says of every set of policies.

use std::process::Stdio;
use std::sync::mpsc::{channel, sync_channel};

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
    for wrong in ["not a url", "grpc://127.0.0.1:4317", "127.0.0.1:4318"] {
        says(&refuses_to_start(POLICY, &["--otlp-endpoint", wrong]), "traces can't be sent to ");
    }
}

#[test]
fn what_the_environment_says_wrong_is_said_at_the_start() {
    for (name, value, says) in [
        ("RUST_LOG", "inof", "RUST_LOG is wrong: found inof"),
        ("RUST_LOG", "sallyport=loud", "RUST_LOG is wrong"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "only http/protobuf is spoken"),
    ] {
        let dir = Program::dir();
        let output = Program::command(dir.path())
            .args(["--otlp-endpoint", "http://127.0.0.1:1"])
            .env(name, value)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{name}={value}");
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains(says), "{text}");
    }
}

#[tokio::test]
async fn a_denial_says_who_was_refused_and_why() {
    let mut program = Program::start(&[]);
    let mut refused = review("u-1");
    refused["request"]["object"]["metadata"]["annotations"] = json!({"card": "4111 1111 1111 1111"});
    refused["request"]["name"] = json!("api");
    program.post("/validate", &refused).await;
    let line = program.says("decided");
    assert_eq!(line["user"], "jo");
    assert_eq!(line["by"], "team/no-card");
    assert!(line["why"].as_str().unwrap().contains("found [redacted-card-number]"), "{line}");
    assert_eq!(line["span"]["object"], "api");
    assert_eq!(line["span"]["name"], "admission");
}

#[tokio::test]
async fn a_log_that_nobody_reads_costs_lines_that_are_counted_and_no_call() {
    let dir = Program::dir();
    let mut command = Program::command(dir.path());
    // Many lines for every request. Once it listens, no further one is read.
    command.env("RUST_LOG", "trace").args(["--ca-file", "ca.pem"]).stdout(Stdio::null());
    let program = Program::run(dir, command, sync_channel(0));
    while program.metric("sallyport_log_lines_dropped_total").await == 0.0 {}
    assert_eq!(program.post("/validate", &review("u")).await.0, 200);
}

#[tokio::test]
async fn connections_leave_file_descriptors_to_probes_and_policies() {
    // The hard limit counts, whatever the soft one is.
    let mut program = Program::start_after("ulimit -S -n 100; ulimit -H -n 256", &[]);
    let line =
        program.said.iter().find(|line| line["message"] == "the limit of open files bounds the connections");
    assert_eq!(line.expect("it says so")["connections"], 128);
    program.follows();
    let mut open = Vec::new();
    for _ in 0..200 {
        open.push(std::net::TcpStream::connect(program.admission()).unwrap());
    }
    assert_eq!(program.post("/mutate", &review("u")).await.0, 200);
    assert!(program.metric("process_open_fds").await <= 256.0);
    std::fs::write(program.dir.path().join("policies/team.yaml"), POLICY.replace("tier", "rank")).unwrap();
    program.says("policies are in force");
    drop(open);
    assert!(program.end().0.success());
    assert!(!program.said.iter().any(|line| line["message"] == "cannot accept connections"));
}

#[tokio::test]
async fn a_certificate_that_expires_while_it_is_served_is_told_of() {
    let dir = Program::dir();
    let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let now = time::OffsetDateTime::now_utc();
    params.not_before = now - time::Duration::DAY;
    params.not_after = now + time::Duration::seconds(5);
    let key = rcgen::KeyPair::generate().unwrap();
    std::fs::write(dir.path().join("tls.crt"), params.self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(dir.path().join("tls.key"), key.serialize_pem()).unwrap();
    let mut command = Program::command(dir.path());
    command.args(["--tls-cert", "tls.crt", "--tls-key", "tls.key"]).stdout(Stdio::null());
    let mut program = Program::run(dir, command, channel());
    let expired = "the certificate expired at ";
    let line = program.says_where(expired, |line| line["message"].as_str().unwrap().starts_with(expired));
    assert_eq!(line["level"], "ERROR");
    assert!(program.end().0.success());
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
