//! The audit log.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::program::{Program, review};

fn records(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}")))
        .collect()
}

fn read(path: &Path) -> Vec<Value> {
    records(&std::fs::read_to_string(path).unwrap())
}

/// A pod that the policy refuses, for a card number in it.
fn refused(uid: &str) -> Value {
    let mut review = review(uid);
    review["request"]["object"]["metadata"]["annotations"] = json!({"card": "4111 1111 1111 1111"});
    review
}

#[tokio::test]
async fn every_call_is_on_record_when_the_program_has_ended_and_no_value_is() {
    let mut program = Program::start(&["--audit-log", "audit.jsonl"]);
    let digest = program.said.iter().find(|line| line["message"] == "serving").unwrap()["digest"].clone();
    assert_eq!(program.post("/mutate/fail", &review("u-1")).await.0, 200);
    let (_, denial) = program.post("/validate", &refused("u-2")).await;
    assert!(denial.contains("found [redacted-card-number]"), "{denial}");
    assert_eq!(program.post("/validate/ignore", &refused("u-3")).await.0, 200);
    assert_eq!(program.post("/mutate", &json!({})).await.0, 400);
    let violations = "sallyport_admission_violations_total{policy=\"team\",mode=\"Enforce\"}";
    assert_eq!(program.metric(violations).await, 1.0);
    assert!(program.end().0.success());

    let path = program.dir.path().join("audit.jsonl");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(!text.contains("value-of-the") && !text.contains("1111"), "{text}");
    let records = records(&text);
    let verdicts: Vec<_> = records.iter().map(|record| record["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["patched", "denied", "allowed", "malformed"]);
    let patched = &records[0];
    for (field, want) in [
        ("/webhook", json!("/mutate/fail")),
        ("/uid", json!("u-1")),
        ("/namespace", json!("shop")),
        ("/generateName", json!("api-")),
        ("/user", json!("jo")),
        ("/groups", json!(["system:authenticated"])),
        ("/dryRun", json!(true)),
        (
            "/changes",
            json!([{"policy": "team", "entry": "labels", "mode": "Enforce", "paths": ["metadata.labels.tier"]}]),
        ),
        ("/policies", digest),
    ] {
        assert_eq!(patched.pointer(field), Some(&want), "{field} of {patched}");
    }
    assert!(patched["durationMicros"].is_u64() && patched["time"].is_string());
    let found = json!("found [redacted-card-number]");
    assert_eq!(records[1].pointer("/violations/0/message"), Some(&found), "{}", records[1]);
    assert_eq!(records[3]["reason"], "missing");
}

#[tokio::test]
async fn after_a_rotation_the_log_goes_on_in_a_new_file_and_nothing_is_lost() {
    let mut program = Program::start(&["--audit-log", "audit.jsonl"]);
    let (path, rotated) = (program.dir.path().join("audit.jsonl"), program.dir.path().join("audit.jsonl.1"));
    for n in 0..5 {
        program.post("/mutate", &review(&format!("before-{n}"))).await;
    }
    std::fs::rename(&path, &rotated).unwrap();
    program.post("/mutate", &review("between")).await;
    program.signal("HUP");
    program.says("reopening the audit log");
    for n in 0..5 {
        program.post("/mutate", &review(&format!("after-{n}"))).await;
    }
    assert!(program.end().0.success());
    let uids =
        |path| read(path).iter().map(|record| record["uid"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(uids(&rotated), ["before-0", "before-1", "before-2", "before-3", "before-4", "between"]);
    assert_eq!(uids(&path), ["after-0", "after-1", "after-2", "after-3", "after-4"]);
}

#[tokio::test]
async fn a_dash_is_standard_output_which_holds_nothing_else() {
    let mut program = Program::start_with(&["--audit-log", "-"], &[], Stdio::piped());
    program.post("/mutate", &review("u-1")).await;
    let (status, out) = program.end();
    assert!(status.success());
    assert_eq!(records(&out)[0]["uid"], "u-1");
    assert_eq!(out.lines().count(), 1);
}

/// The lines that it says are lost.
fn lost(program: &Program) -> u64 {
    let told = |line: &&Value| line["message"].as_str().unwrap_or_default().ends_with("lines are lost");
    program.said.iter().filter(told).filter_map(|line| line["lines"].as_u64()).sum()
}

/// A review whose record is large.
fn wordy() -> Value {
    let mut review = review("u");
    review["request"]["userInfo"]["groups"] = json!(vec!["g".repeat(256); 64]);
    review
}

#[tokio::test]
async fn a_full_disk_stops_decisions_where_none_may_be_off_the_record() {
    let mut program = Program::start(&["--audit-log", "/dev/full"]);
    // Until 16 MiB are waiting, which are a thousand of these.
    let mut answered = 0;
    let last = loop {
        let answer = program.post("/mutate?timeout=1s", &wordy()).await;
        if answer.0 != 200 {
            break answer;
        }
        answered += 1;
        assert!(answered < 2000);
    };
    assert_eq!(
        last,
        (503, "the decision could not be put on record in time: the audit log is not written as fast as calls come in\n"
            .to_owned())
    );
    assert!(program.metric("sallyport_admission_unanswered_total{reason=\"audit\"}").await >= 1.0);
    assert!(program.metric("sallyport_audit_records_dropped_total").await >= 1.0, "it is not on record");
    let ready = program.page("/readyz").await;
    let want = format!("the audit log is not written: {answered} lines wait for /dev/full\n");
    assert_eq!(ready, (503, want));
    assert!(program.metric("sallyport_audit_waiting_bytes").await > 16e6);
    let (status, _) = program.end();
    assert!(status.success(), "it ends all the same");
    assert_eq!(lost(&program), answered, "and says how many lines are lost");
}

#[tokio::test]
async fn a_full_disk_costs_lines_that_are_counted_where_they_may_be_dropped() {
    let mut program = Program::start(&["--audit-log", "/dev/full", "--audit-log-full", "drop"]);
    for _ in 0..20 {
        assert_eq!(program.post("/mutate", &wordy()).await.0, 200);
    }
    let line = program.says("the audit log can't be written: lines are lost");
    assert_eq!(line["path"], "/dev/full");
    assert_eq!(program.page("/readyz").await.0, 200);
    assert!(program.end().0.success());
    assert_eq!(lost(&program), 20);
}

#[tokio::test]
async fn a_file_that_may_not_grow_has_whole_lines_and_the_counts_add_up() {
    for when_full in ["drop", "block"] {
        // A write that would make the file larger than this writes a part of it, and the next one fails.
        let limited = "trap '' XFSZ; ulimit -S -f 40";
        let args = ["--audit-log", "audit.jsonl", "--audit-log-full", when_full];
        let mut program = Program::start_after(limited, &args);
        let path = program.dir.path().join("audit.jsonl");
        let mut sent = 0;
        while program.metric("sallyport_audit_write_failures_total").await < 1.0 {
            assert_eq!(program.post("/mutate", &wordy()).await.0, 200);
            sent += 1;
        }
        read(&path);
        let id = format!("--pid={}", program.id());
        assert!(Command::new("prlimit").args([&id, "--fsize=unlimited:"]).status().unwrap().success());
        assert_eq!(program.post("/mutate", &review("u-last")).await.0, 200);
        program.says("the audit log is written again");
        let dropped = program.metric("sallyport_audit_records_dropped_total").await;
        assert_eq!(program.metric("sallyport_audit_records_total").await + dropped, f64::from(sent) + 1.0);
        assert_eq!(when_full == "block", dropped == 0.0);
        assert!(program.end().0.success());
        let records = read(&path);
        assert_eq!(records.len() as f64 + dropped, f64::from(sent) + 1.0);
        assert_eq!(records.last().unwrap()["uid"], "u-last");
    }
}

#[tokio::test]
async fn who_does_not_read_standard_output_is_told_of_beforehand_and_does_not_keep_the_program() {
    let mut program = Program::start_with(&["--audit-log", "-"], &[], Stdio::piped());
    let mut answered = 0.0;
    let said = loop {
        match program.post("/mutate?timeout=1s", &wordy()).await {
            (200, _) => answered += 1.0,
            (_, said) => break said,
        }
    };
    assert!(said.contains("not written as fast as calls come in"), "{said}");
    assert_eq!(program.says("the audit log is behind: lines wait to be written")["path"], "standard output");
    let (status, said) = program.page("/readyz").await;
    assert!(status == 503 && said.ends_with("lines wait for standard output\n"), "{said}");
    let written = program.metric("sallyport_audit_records_total").await;
    program.signal("TERM");
    let waiting = program.says("waiting for the audit log")["lines"].as_f64().unwrap();
    assert_eq!(written + waiting, answered);
    assert!(program.ended().success());
    assert_eq!(lost(&program) as f64, waiting);
}
