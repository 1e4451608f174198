//! Walks data/mutate: what policies make of an object, and what they say about it.
//!
//! A case is a folder of policies.yaml and traffic.yaml (what is known of the TrafficPolicies), one of which may be missing,
//! input.yaml (an object that is created) or request.yaml (a whole AdmissionRequest), want.yaml (the object that comes out; none where it is not changed) and changes.txt (a line for
//! every change, and one with a dash for every field left alone; a change that is not returned has its mode).

mod golden;
mod reading;

use std::path::Path;

use sallyport_admission::{Context, Decision, Mode, PolicySet, Request, mutate};
use serde_json::Value;

#[test]
fn objects_come_out_as_wanted() {
    let mut wrong = Vec::new();
    for case in reading::entries(&reading::data().join("mutate")) {
        let policies = reading::text(&case.join("policies.yaml")).unwrap_or_default();
        let traffic = reading::text(&case.join("traffic.yaml")).map(|text| reading::documents(&text));
        let traffic = traffic.iter().flatten().map(reading::traffic).collect();
        let set = reading::policy_set(&policies).knowing(traffic);
        let request = request(&case);
        let decision = mutate(&set, &request, &Context::default());
        wrong.extend(outcome(&case, &request, &decision));
        wrong.extend(again(&case, &set, request, decision));
    }
    golden::all_right(&wrong);
}

fn request(case: &Path) -> Request {
    let only = |file: &str| {
        let text = reading::text(&case.join(file))?;
        Some(reading::documents(&text).remove(0))
    };
    match only("request.yaml") {
        Some(request) => {
            serde_json::from_value(request).unwrap_or_else(|error| panic!("{}: {error}", case.display()))
        }
        None => reading::creation(&only("input.yaml").expect("a case has input.yaml or request.yaml")),
    }
}

/// Where the decision is not the wanted one.
fn outcome(case: &Path, request: &Request, decision: &Decision) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut patched = request.object.clone();
    json_patch::patch(&mut patched, &decision.patch).expect("the patch applies");
    if &patched != decision.mutated.as_ref().unwrap_or(&request.object) {
        wrong.push(format!("{}: the patch does not give the mutated object", case.display()));
    }
    let object = decision.mutated.as_ref().map_or_else(String::new, yaml);
    wrong.extend(golden::compare(&case.join("want.yaml"), &object));
    wrong.extend(golden::compare(&case.join("changes.txt"), &changes(decision)));
    wrong
}

/// Where the decision about its own result changes anything.
fn again(case: &Path, set: &PolicySet, mut request: Request, decision: Decision) -> Option<String> {
    request.object = decision.mutated?;
    let second = mutate(set, &request, &Context::default());
    let enforced = second.changes.iter().filter(|change| change.mode == Mode::Enforce).count();
    (second.mutated.is_some() || enforced > 0).then(|| {
        format!("{}: applied to its own result it changes again:\n{}", case.display(), changes(&second))
    })
}

fn yaml(value: &Value) -> String {
    serde_saphyr::to_string(value).expect("JSON can be written as YAML")
}

fn changes(decision: &Decision) -> String {
    let mut lines = String::new();
    for change in &decision.changes {
        lines += &format!("{}{} {}\n", mode(change.mode), change.source, change.path);
    }
    for violation in &decision.violations {
        lines += &format!("! {}: {}\n", violation.source, violation.message);
    }
    for skipped in &decision.skipped {
        let path = if skipped.path.is_empty() { "" } else { " " };
        lines += &format!(
            "- {}{}{path}{}: {}\n",
            mode(skipped.mode),
            skipped.source,
            skipped.path,
            skipped.message
        );
    }
    lines
}

fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Enforce => "",
        Mode::Warn => "(Warn) ",
        Mode::Audit => "(Audit) ",
    }
}
