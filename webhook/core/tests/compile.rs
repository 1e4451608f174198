//! Walks data/compile: policies that are right, and policies that are not, each with all that is found.
//!
//! A case is a policy beside a file `.want` of lines `severity path: message`; none where nothing is found.

mod golden;
mod reading;

use sallyport_admission::Policy;
use sallyport_admission::resources::WorkloadPolicySpec;
use sallyport_policy::{Diagnostic, Severity};

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

fn line(finding: &Diagnostic) -> String {
    let severity = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let help = finding.help.as_ref().map_or_else(String::new, |help| format!("; {help}"));
    format!("{severity} {finding}{help}\n")
}
