//! What became of a case's object, against what should have.

use sallyport_admission::{Decision, Finding, Mode, Source};
use serde_json::{Map, Value};

use super::super::crds::yaml;
use super::super::judge::Judged;
use super::super::told::{Weight, is_refused, told};
use super::case::Expect;
use super::overlay::{look_up, project};
use crate::source::parse_path;

/// Something that is not as it should be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mismatch {
    /// The field of `expect`.
    pub(super) field: String,
    /// Lines.
    pub(super) expected: String,
    pub(super) got: String,
}

/// All that is not as expected.
pub(super) fn compare(expect: &Expect, judged: &[Judged<'_>]) -> anyhow::Result<Vec<Mismatch>> {
    let mut found = Vec::new();
    let allowed = !is_refused(judged);
    if allowed != expect.allows() {
        let reasons = if expect.violations.is_some() {
            String::new()
        } else {
            verdicts(judged, Weight::Refused).concat()
        };
        found.push(Mismatch {
            field: "allowed".to_owned(),
            expected: format!("{}\n", expect.allows()),
            got: format!("{allowed}\n{reasons}"),
        });
    }
    let lists = [
        verdicts(judged, Weight::Refused),
        verdicts(judged, Weight::Warned),
        verdicts(judged, Weight::Audited),
        findings(judged, |decision| &decision.skipped),
        findings(judged, |decision| &decision.excepted),
    ];
    for ((field, expected), said) in expect.lists().into_iter().zip(lists) {
        found.extend(expected.and_then(|expected| compare_list(field, expected, said)));
    }
    if expect.unchanged {
        let changes = judged.iter().flat_map(|one| {
            let enforced = one.decision.changes.iter().filter(|change| change.mode == Mode::Enforce);
            enforced.map(|change| format!("{} {}\n", change.source, one.path_in_document(&change.path)))
        });
        let got: String = changes.collect();
        if !got.is_empty() {
            found.push(Mismatch { field: "unchanged".to_owned(), expected: String::new(), got });
        }
    }
    let (before, after) = (whole(judged, |one| &one.written), whole(judged, |one| &one.result));
    for (path, expected) in &expect.changes {
        let at = parse_path(path);
        let [before, got] = [&before, &after].map(|object| look_up(object, &at).unwrap_or(&Value::Null));
        let note = if got == expected && before == got {
            "(as it was written)\n".to_owned()
        } else {
            in_the_template(judged, &after, path).filter(|_| got.is_null()).unwrap_or_default()
        };
        if got != expected || !note.is_empty() {
            let field = format!("changes[{path}]");
            found.push(Mismatch { field, expected: yaml(expected)?, got: format!("{}{note}", yaml(got)?) });
        }
    }
    if !expect.mutated.is_null() {
        let got = project(&after, &expect.mutated);
        if got != expect.mutated {
            let field = "mutated".to_owned();
            found.push(Mismatch { field, expected: yaml(&expect.mutated)?, got: yaml(&got)? });
        }
    }
    Ok(found)
}

/// Says where a field is of what makes a pod, if it was meant of the pod.
fn in_the_template(judged: &[Judged<'_>], object: &Value, path: &str) -> Option<String> {
    let made = judged.iter().find(|one| one.is_made)?;
    let path = made.path_in_document(path);
    look_up(object, &parse_path(&path)).map(|_| format!("(did you mean {path}?)\n"))
}

/// What the object is refused for, or warned of, as lines `policy/entry field: message`.
fn verdicts(judged: &[Judged<'_>], weight: Weight) -> Vec<String> {
    let all = told(judged).into_iter().filter(|told| told.weight == weight);
    all.map(|told| line(told.source, &told.path, told.message)).collect()
}

/// Other findings, as such lines.
fn findings(judged: &[Judged<'_>], list: for<'d> fn(&'d Decision) -> &'d Vec<Finding>) -> Vec<String> {
    let of_one = |one: &Judged<'_>| -> Vec<String> {
        let lines = list(&one.decision).iter();
        lines.map(|found| line(&found.source, &one.path_in_document(&found.path), &found.message)).collect()
    };
    judged.iter().flat_map(of_one).collect()
}

fn line(source: &Source, path: &str, message: &str) -> String {
    let gap = if path.is_empty() { "" } else { " " };
    format!("{source}{gap}{path}: {message}\n")
}

/// Each expected line must be met, and nothing else be there.
fn compare_list(field: &str, expected: &[String], said: Vec<String>) -> Option<Mismatch> {
    let meets = |line: &str, wanted: &String| {
        line.strip_prefix(wanted.as_str())
            .is_some_and(|rest| rest.starts_with(": ") || (!wanted.contains(' ') && rest.starts_with(' ')))
    };
    // What is as expected is said in the words of the expectation, so that a difference shows only what is not.
    let mut got: Vec<String> = Vec::new();
    for line in said {
        let wanted = expected.iter().find(|wanted| meets(&line, wanted));
        let line = wanted.map_or(line, |wanted| format!("{wanted}\n"));
        if !got.contains(&line) {
            got.push(line);
        }
    }
    let mut expected: Vec<String> = expected.iter().map(|wanted| format!("{wanted}\n")).collect();
    expected.sort_unstable();
    expected.dedup();
    got.sort_unstable();
    let (expected, got) = (expected.concat(), got.concat());
    (expected != got).then(|| Mismatch { field: field.to_owned(), expected, got })
}

/// The object, with the pod that it makes in its template.
fn whole(judged: &[Judged<'_>], state: for<'j> fn(&'j Judged<'_>) -> &'j Value) -> Value {
    let Some((itself, made)) = judged.split_first() else { return Value::Null };
    let mut object = state(itself).clone();
    for pod in made {
        let mut at = &mut object;
        for segment in pod.template.segments() {
            let sallyport_policy::Segment::Field(field) = segment else { continue };
            let Value::Object(fields) = at else { return object };
            at = fields.entry(field.to_string()).or_insert_with(|| Value::Object(Map::new()));
        }
        if let Value::Object(template) = at {
            for field in ["metadata", "spec"] {
                template.insert(field.to_owned(), state(pod).get(field).cloned().unwrap_or_default());
            }
        }
    }
    object
}
