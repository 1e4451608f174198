//! Walks data/validate: what objects are refused for, and what is said about them.
//!
//! A case is a folder of policies.yaml (WorkloadPolicies and PolicyExceptions), input.yaml (an object that is created)
//! or request.yaml (a whole AdmissionRequest), traffic.yaml (what is known of the TrafficPolicies), mesh-images.yaml (the
//! images that the operator names, a document each), where they matter, and want.txt: `allowed` or `denied`, and a line for every violation, `!`, warning, `~`, failure to judge, `-`, and
//! exception, `=`.

mod golden;
mod reading;

use std::path::Path;

use sallyport_admission::resources::PolicyExceptionSpec;
use sallyport_admission::{Context, Decision, Exception, Finding, Mode, PolicySet, Request, validate};
use serde_json::Value;

/// 2026-11-21T00:00:00Z.
const NOW: i64 = 1_795_219_200;

#[test]
fn objects_are_judged_as_wanted() {
    let mut wrong = Vec::new();
    for case in reading::entries(&reading::data().join("validate")) {
        let request = request(&case);
        let set = set(&case);
        let context = Context { now: NOW, ..Context::default() };
        let outcome = outcome(&validate(&set, &request, &context));
        assert_eq!(outcome, self::outcome(&validate(&set, &request, &context)), "{}", case.display());
        wrong.extend(golden::compare(&case.join("want.txt"), &outcome));
    }
    golden::all_right(&wrong);
}

fn documents(case: &Path, file: &str) -> Vec<Value> {
    reading::text(&case.join(file)).map(|text| reading::documents(&text)).unwrap_or_default()
}

fn request(case: &Path) -> Request {
    match documents(case, "request.yaml").into_iter().next() {
        Some(request) => {
            serde_json::from_value(request).unwrap_or_else(|error| panic!("{}: {error}", case.display()))
        }
        None => {
            let input = documents(case, "input.yaml").into_iter().next();
            reading::creation(&input.expect("a case has input.yaml or request.yaml"))
        }
    }
}

fn set(case: &Path) -> PolicySet {
    let (exceptions, policies): (Vec<Value>, Vec<Value>) = documents(case, "policies.yaml")
        .into_iter()
        .partition(|document| document["kind"] == "PolicyException");
    assert!(!policies.is_empty(), "{} has policies.yaml", case.display());
    let traffic = documents(case, "traffic.yaml").iter().map(reading::traffic).collect();
    let mesh_images = documents(case, "mesh-images.yaml");
    let mesh_images =
        mesh_images.iter().map(|image| image.as_str().expect("a text").parse().expect("an image"));
    PolicySet::new(policies.iter().map(reading::policy).collect())
        .trusting_mesh_images(mesh_images.collect())
        .excepting(exceptions.iter().map(exception))
        .knowing(traffic)
}

fn exception(document: &Value) -> Exception {
    let text =
        |field: &str| document["metadata"][field].as_str().expect("an exception has a name and a namespace");
    let spec: PolicyExceptionSpec =
        serde_json::from_value(document["spec"].clone()).expect("the exception can be read");
    let (exception, found) = Exception::compile(text("namespace"), text("name"), Some(NOW), &spec);
    exception.unwrap_or_else(|| panic!("{found:?}"))
}

fn outcome(decision: &Decision) -> String {
    let mut lines = String::from(if decision.allowed { "allowed\n" } else { "denied\n" });
    for (sign, findings) in [
        ("!", &decision.violations),
        ("~", &decision.warnings),
        ("-", &decision.skipped),
        ("=", &decision.excepted),
    ] {
        for finding in findings {
            lines += &format!("{sign} {}\n", line(finding));
        }
    }
    lines
}

fn line(finding: &Finding) -> String {
    let mode = match finding.mode {
        Mode::Enforce => "",
        Mode::Warn => "(Warn) ",
        Mode::Audit => "(Audit) ",
    };
    let at = if finding.path.is_empty() { String::new() } else { format!(" {}", finding.path) };
    format!("{mode}{}{at}: {}", finding.source, finding.message)
}
