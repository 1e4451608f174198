//! Walks data/compile: policies that are right, and policies that are not, each with all that is found.
//!
//! A case is a policy beside a file `.want` of lines `severity path: message`; none where nothing is found.

mod golden;
mod reading;

use sallyport_admission::resources::WorkloadPolicySpec;
use sallyport_admission::{Policy, PolicySet};
use sallyport_policy::{Diagnostic, Severity};
use serde_json::{Value, json};

#[test]
fn what_is_wrong_with_a_policy_is_said() {
    let mut wrong = Vec::new();
    for (folder, right) in [("pass", true), ("fail", false)] {
        for case in reading::entries(&reading::data().join("compile").join(folder)) {
            if case.extension().is_none_or(|extension| extension != "yaml") {
                continue;
            }
            let text = reading::text(&case).expect("the case can be read");
            let document = reading::documents(&text).remove(0);
            let (compiled, found) =
                match serde_json::from_value::<WorkloadPolicySpec>(document["spec"].clone()) {
                    Ok(spec) => {
                        let name = document["metadata"]["name"].as_str().expect("a policy has metadata.name");
                        let (policy, found) = Policy::compile(name, &spec);
                        (policy.is_some(), found.iter().map(line).collect())
                    }
                    Err(error) => (false, format!("unreadable: {error}\n")),
                };
            if compiled != right {
                wrong.push(format!("{}: should {folder}", case.display()));
            }
            wrong.extend(golden::compare(&case.with_extension("want"), &found));
        }
    }
    golden::all_right(&wrong);
}

#[test]
fn managed_fields_are_read_where_an_expression_or_a_patch_looks_at_them_or_may() {
    let label = json!({"name": "m", "metadata": {"labels": {"team": "shop"}}});
    let check = |spec: Value, want: bool| {
        let set = PolicySet::new(vec![reading::policy(&json!({"metadata": {"name": "p"}, "spec": spec}))]);
        assert_eq!(set.reads_managed_fields(), want, "{spec}");
    };
    let pods = json!({"kinds": ["Pod"]});
    let condition = |expression: &str| {
        let conditions = json!([{"name": "c", "expression": expression}]);
        json!({"match": {"kinds": ["Pod"], "conditions": conditions}, "mutate": [label]})
    };
    let when = |expression: &str| {
        let entry = json!({"name": "m", "when": expression, "metadata": {"labels": {"team": "shop"}}});
        json!({"match": pods, "mutate": [entry]})
    };
    let cel = |expression: &str| {
        let rule = json!({"expression": expression, "message": "no"});
        json!({"match": pods, "validate": [{"name": "v", "cel": rule}]})
    };
    let patch = |operations: Value| json!({"match": pods, "mutate": [{"name": "m", "patch": operations}]});

    check(json!({"match": pods, "mutate": [label]}), false);
    let specs: [&dyn Fn(&str) -> Value; 3] = [&condition, &when, &cel];
    for spec in specs {
        check(spec("object.metadata.name == 'a' && has(object.metadata.labels.app)"), false);
        check(spec("has(object.metadata.managedFields)"), true);
        check(spec("object.metadata.size() > 3"), true);
        check(spec("oldObject == null || object == oldObject"), true);
    }
    check(patch(json!([{"op": "add", "path": "/spec/priority", "value": 1}])), false);
    let test = json!({"op": "test", "path": "/metadata/managedFields/0/manager", "value": "kubectl"});
    check(patch(json!([test, {"op": "add", "path": "/spec/priority", "value": 1}])), true);
}

fn line(finding: &Diagnostic) -> String {
    let severity = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let help = finding.help.as_ref().map_or_else(String::new, |help| format!("; {help}"));
    format!("{severity} {finding}{help}\n")
}
