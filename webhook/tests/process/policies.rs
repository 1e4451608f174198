//! Policies that change while they are served, as whoever runs the program sees it.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::program::{POLICY, Program, review};

/// A pod that the policy refuses.
fn refused() -> Value {
    let mut review = review("u");
    review["request"]["object"]["metadata"]["annotations"] = json!({"card": "none"});
    review
}

/// Puts a file in place as an editor does: whole or not at all.
fn put(dir: &Path, name: &str, text: &str) {
    fs::write(dir.join("new"), text).unwrap();
    fs::rename(dir.join("new"), dir.join("policies").join(name)).unwrap();
}

async fn is_refused(program: &Program) -> bool {
    program.post("/validate", &refused()).await.1.contains("\"allowed\":false")
}

#[tokio::test]
async fn a_policy_that_locks_everybody_out_is_ended_as_the_log_says() {
    let mut program = Program::start(&[]);
    program.follows();
    assert!(is_refused(&program).await);
    fs::remove_file(program.dir.path().join("policies/team.yaml")).unwrap();
    let last =
        |line: &Value| line["finding"].as_str().is_some_and(|found| found.contains("no policy is left"));
    let line = program.says_where("no policy is left", last);
    let found = line["finding"].as_str().unwrap();
    assert!(found.contains("mode: Audit") && found.contains("--allow-no-policies"), "{found}");
    assert!(is_refused(&program).await);
    put(program.dir.path(), "team.yaml", &POLICY.replace("spec:\n", "spec:\n  mode: Audit\n"));
    program.says("policies are in force");
    assert!(!is_refused(&program).await);
    assert!(program.end().0.success());
}

#[tokio::test]
async fn a_policy_that_is_wrong_is_not_taken_for_one_that_is_gone() {
    let mut program = Program::start(&[]);
    program.follows();
    put(program.dir.path(), "team.yaml", &POLICY.replace("kinds: [", "kinds: [pods, "));
    let line = program.says("policies are wrong");
    assert!(line["finding"].as_str().unwrap().contains("its kind is Pod"), "{line}");
    let next = program.says_where("the next line", |_| true);
    assert_eq!(next["message"], "the last good policies stay in force until the files are right", "{next}");
    assert!(is_refused(&program).await);
}

#[tokio::test]
async fn with_leave_to_the_last_policy_goes_and_it_starts_without_any() {
    let mut program = Program::start(&["--allow-no-policies"]);
    program.follows();
    fs::remove_file(program.dir.path().join("policies/team.yaml")).unwrap();
    assert_eq!(program.says("policies are in force")["policies"], 0);
    assert!(!is_refused(&program).await);
    assert_eq!(program.metric("sallyport_policies").await, 0.0);

    let dir = Program::dir();
    fs::remove_file(dir.path().join("policies/team.yaml")).unwrap();
    assert_eq!(Program::command(dir.path()).output().unwrap().status.code(), Some(2), "not without leave");
    let mut command = Program::command(dir.path());
    command.args(["--allow-no-policies", "--ca-file", "ca.pem"]);
    let mut program = Program::run(dir, command, std::sync::mpsc::channel());
    assert!(!is_refused(&program).await);
    program.follows();
    put(program.dir.path(), "team.yaml", POLICY);
    program.says("policies are in force");
    assert!(is_refused(&program).await);
}

#[tokio::test]
async fn a_file_that_is_emptied_ends_nothing() {
    let mut program = Program::start(&[]);
    program.follows();
    put(program.dir.path(), "other.yaml", &POLICY.replace("name: team", "name: other"));
    assert_eq!(program.says("policies are in force")["policies"], 2);
    assert_eq!(program.metric("sallyport_policy_entries").await, 4.0);
    for empty in ["", "# nothing\n", "---\n"] {
        put(program.dir.path(), "other.yaml", empty);
        let line = program.says("policies are wrong");
        let found = line["finding"].as_str().unwrap();
        assert!(found.contains("policies/other.yaml") && found.contains("nothing stands here"), "{found}");
        assert_eq!(program.metric("sallyport_policies").await, 2.0);
        assert_eq!(program.metric("sallyport_policies_current").await, 0.0);
        put(program.dir.path(), "other.yaml", &POLICY.replace("name: team", "name: other"));
        program.says("policies are in force");
    }
    fs::remove_file(program.dir.path().join("policies/other.yaml")).unwrap();
    assert_eq!(program.says("a policy is gone, and no longer in force")["policy"], "other");
    assert_eq!(program.metric("sallyport_policy_entries").await, 2.0);
}

#[tokio::test]
async fn an_exception_that_ends_is_told_of_and_can_be_seen_to_come() {
    let now = time::OffsetDateTime::now_utc().replace_nanosecond(0).unwrap();
    let exception = |name: &str, ends: time::OffsetDateTime| {
        let ends = ends.format(&time::format_description::well_known::Rfc3339).unwrap();
        format!(
            "apiVersion: sallyport.dev/v1alpha1\nkind: PolicyException\n\
             metadata: {{namespace: shop, name: {name}}}\n\
             spec: {{reason: a reason, expires: '{ends}', policies: [{{name: team}}], match: {{names: [api]}}}}\n"
        )
    };
    let mut program = Program::start(&[]);
    program.follows();
    assert_eq!(program.metric("sallyport_exceptions_next_expiry_timestamp_seconds").await, f64::INFINITY);
    let (soon, later) = (now + time::Duration::seconds(8), now + time::Duration::hours(1));
    let both = format!("{}---\n{}", exception("soon", soon), exception("later", later));
    put(program.dir.path(), "exceptions.yaml", &both);
    let line = program.says("an exception has expired: it is no longer honoured");
    assert_eq!((&line["namespace"], &line["exception"]), (&json!("shop"), &json!("soon")));
    assert_eq!(program.metric("sallyport_exceptions").await, 1.0);
    let next = program.metric("sallyport_exceptions_next_expiry_timestamp_seconds").await;
    assert_eq!(next, later.unix_timestamp() as f64);
}

#[tokio::test]
async fn series_of_the_policies_in_force_begin_at_zero() {
    let program = Program::start(&[]);
    let violations = "sallyport_admission_violations_total{policy=\"team\",mode=\"Enforce\"}";
    assert_eq!(program.metric(violations).await, 0.0);
    assert!(is_refused(&program).await);
    assert_eq!(program.metric(violations).await, 1.0);
}

#[tokio::test]
async fn an_image_of_the_mesh_that_the_operator_names_passes_images_in_the_tags_named() {
    const IMAGES: &str = "\
apiVersion: sallyport.dev/v1alpha1
kind: WorkloadPolicy
metadata: {name: images}
spec:
  match: {kinds: [Pod]}
  validate:
    - name: registries
      images: {registries: [registry.example.com/shop]}
";
    let proxied = |tag: &str| {
        let mut review = review("u");
        let proxy = json!({
            "name": "istio-proxy", "image": format!("mirror.example.com/istio/proxyv2:{tag}"),
            "args": ["proxy", "sidecar"],
        });
        let app = json!({"name": "app", "image": "registry.example.com/shop/api:1"});
        review["request"]["object"]["spec"] = json!({"containers": [app, proxy]});
        review
    };
    let named = ["--mesh-image", "mirror.example.com/istio/proxyv2:1.30.*"];
    for (args, passes) in [(&named[..], true), (&[][..], false)] {
        let dir = Program::dir();
        put(dir.path(), "images.yaml", IMAGES);
        let mut command = Program::command(dir.path());
        command.args(["--ca-file", "ca.pem"]).args(args);
        let program = Program::run(dir, command, std::sync::mpsc::channel());
        for (tag, passes) in [("1.30.2", passes), ("1.8.0", false)] {
            let (_, answer) = program.post("/validate", &proxied(tag)).await;
            assert!(answer.contains(&format!("\"allowed\":{passes}")), "{args:?} {tag}: {answer}");
        }
    }
    let dir = Program::dir();
    let wrong = Program::command(dir.path()).args(["--mesh-image", "not an image"]).output().unwrap();
    let said = String::from_utf8_lossy(&wrong.stderr);
    assert_eq!(wrong.status.code(), Some(2), "{said}");
    assert!(said.contains("--mesh-image") && said.contains("expected repository[:tag][@digest]"), "{said}");
}
