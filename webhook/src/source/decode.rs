//! Types from documents, with everything that does not fit.

use std::collections::HashSet;

use sallyport_policy::{Diagnostic, FieldPath, Segment, Severity, nearest};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::deserializer::{Failure, Problem, Pruned};
use super::document::Document;
use super::locate::{self, Step};
use super::report::Located;

/// The most that is reported of one document.
const LIMIT: usize = 32;
/// The most names that are listed when none is near.
const NAMES: usize = 12;

/// The field at `at` (the root for the whole document) as a `T`.
///
/// # Errors
/// Everything that does not fit, in the order of the text. serde stops at the first; so what failed is taken out and
/// the rest is decoded again, leaving out what fails only because of that.
pub fn decode<T: DeserializeOwned>(document: &Document, at: &FieldPath) -> Result<T, Vec<Located>> {
    let Some((value, prefix)) = locate::find_exactly(&document.value, &document.spans, at) else {
        let name = at.segments().last().map(|last| FieldPath::from_iter([last.clone()]).to_string());
        let message = format!("missing field {}", name.unwrap_or_default());
        return Err(vec![document.place(Diagnostic::error(at.clone(), message))]);
    };
    let mut pruned = HashSet::new();
    let mut report =
        Report { document, value, prefix, pruned: Vec::new(), meant: Vec::new(), found: Vec::new() };
    loop {
        let failure = match T::deserialize(Pruned::new(value, &pruned)) {
            Ok(decoded) if report.found.is_empty() => return Ok(decoded),
            Ok(_) => break,
            Err(failure) => failure,
        };
        let steps = failure.steps();
        let culprit = walk(value, &steps);
        let whole = steps.is_empty();
        report.add(&failure, steps);
        let Some(culprit) = culprit else { break };
        if whole || report.found.len() == LIMIT || !pruned.insert(std::ptr::from_ref(culprit)) {
            break;
        }
    }
    let mut found = report.found;
    found.sort_by_key(|located| located.location().map(|at| at.byte_range.start));
    Err(found)
}

/// The fields of the whole document that a `T` does not know, in the order of the text, as warnings. What else does not fit
/// is none of them: Kubernetes reads more than its types say, such as a number for a quantity.
pub fn unknown_fields<T: DeserializeOwned>(document: &Document) -> Vec<Located> {
    const TRIES: usize = 256;
    let value = &document.value;
    let mut pruned = HashSet::new();
    let mut report = Report {
        document,
        value,
        prefix: Vec::new(),
        pruned: Vec::new(),
        meant: Vec::new(),
        found: Vec::new(),
    };
    while pruned.len() < TRIES && report.found.len() < LIMIT {
        let Err(failure) = T::deserialize(Pruned::new(value, &pruned).strict()) else { break };
        let steps = failure.steps();
        let Some(culprit) = walk(value, &steps).filter(|_| !steps.is_empty()) else { break };
        if matches!(failure.problem, Problem::UnknownField { .. }) {
            report.add(&failure, steps);
        }
        if !pruned.insert(std::ptr::from_ref(culprit)) {
            break;
        }
    }
    let mut found = report.found;
    found.iter_mut().for_each(|located| located.diagnostic.severity = Severity::Warning);
    found.sort_by_key(|located| located.location().map(|at| at.byte_range.start));
    found
}

fn walk<'a>(value: &'a Value, steps: &[Step]) -> Option<&'a Value> {
    steps.iter().try_fold(value, |at, step| match step {
        Step::Member(name) => at.get(name),
        Step::Element(index) => at.get(index),
    })
}

struct Report<'a> {
    document: &'a Document,
    value: &'a Value,
    /// The steps to `value`.
    prefix: Vec<Step>,
    /// What was taken out.
    pruned: Vec<Vec<Step>>,
    /// What unknown fields were probably meant to be, and in which object.
    meant: Vec<(Vec<Step>, &'static str)>,
    found: Vec<Located>,
}

impl Report<'_> {
    fn add(&mut self, failure: &Failure, steps: Vec<Step>) {
        if self.is_consequence(failure, &steps) {
            self.pruned.push(steps);
            return;
        }
        let full: Vec<Step> = self.prefix.iter().chain(&steps).cloned().collect();
        let mut path = locate::path_of(&self.document.value, &full);
        let (message, help) = words(&failure.problem);
        match &failure.problem {
            Problem::MissingField(name) => path = path.then(Segment::Field((*name).into())),
            Problem::UnknownField { found, known } => {
                if let (Some((_, object)), Some(meant)) =
                    (steps.split_last(), nearest(found, known.iter().copied()))
                {
                    self.meant.push((object.to_vec(), meant));
                }
            }
            _ => {}
        }
        let mut diagnostic = Diagnostic::error(path, message);
        diagnostic.help = help;
        let at = &diagnostic.path;
        let location = if failure.on_key { self.document.locate_key(at) } else { self.document.locate(at) };
        // What an anchor shares is wrong once, however often it is used.
        let shared = self.found.iter().any(|other| {
            other.location() == Some(&location) && other.diagnostic.message == diagnostic.message
        });
        if !shared {
            self.found.push(Located::new(diagnostic, &self.document.origin, location));
        }
        self.pruned.push(steps);
    }

    /// Whether something fails only because of what was taken out, or is misspelt.
    fn is_consequence(&self, failure: &Failure, steps: &[Step]) -> bool {
        match &failure.problem {
            Problem::UnknownField { .. } => false,
            Problem::MissingField(name) => {
                let taken_out = walk(self.value, steps).is_some_and(|object| object.get(name).is_some());
                taken_out || self.meant.iter().any(|(object, meant)| object == steps && meant == name)
            }
            _ => self.pruned.iter().any(|below| below.len() > steps.len() && below.starts_with(steps)),
        }
    }
}

/// What to say, and what to do about it.
fn words(problem: &Problem) -> (String, Option<String>) {
    match problem {
        Problem::UnknownField { found, known } => {
            (format!("unknown field {found}"), suggestion(found, known))
        }
        Problem::UnknownVariant { found, known } => {
            (format!("unknown value {found}"), suggestion(found, known))
        }
        Problem::MissingField(name) => (format!("missing field {name}"), None),
        Problem::NotOneVariant { found, known } => {
            (format!("exactly one of {} belongs here, found {found}", known.join(", ")), None)
        }
        Problem::Mismatch { found, wanted, quotes_would_help } => {
            let help = quotes_would_help.then(|| "put it in quotes".to_owned());
            (format!("expected {wanted}, found {found}"), help)
        }
        Problem::Other(message) => (message.clone(), None),
    }
}

/// The nearest name, or all when none is near.
fn suggestion(found: &str, known: &[&'static str]) -> Option<String> {
    if let Some(meant) = nearest(found, known.iter().copied()) {
        return Some(format!("did you mean {meant}?"));
    }
    match known {
        [] => None,
        [only] => Some(format!("known here: {only}")),
        _ if known.len() <= NAMES => Some(format!("known here: {}", known.join(", "))),
        _ => Some(format!("known here: {}, …", known[..NAMES].join(", "))),
    }
}
