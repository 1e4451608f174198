//! What is said about one document: of the object itself and of the pod that its controller makes, each thing once
//! and where the document has it.

use sallyport_admission::{Decision, Finding, Mode, Source};

use super::judge::Judged;
use crate::source::Location;

/// How much it matters; what matters most comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Weight {
    /// The object, or the pod that it makes, is refused for it.
    Refused,
    /// The client is warned.
    Warned,
    /// The audit log has it.
    Audited,
}

/// Something that an entry says about a field of a document.
pub(super) struct Told<'j> {
    pub(super) weight: Weight,
    pub(super) source: &'j Source,
    /// The field of the document; empty for the whole.
    pub(super) path: String,
    pub(super) message: &'j str,
    pub(super) location: Location,
}

/// All violations and warnings about a document.
pub(super) fn told<'j>(judged: &'j [Judged<'_>]) -> Vec<Told<'j>> {
    let mut all: Vec<Told<'j>> = Vec::new();
    for one in judged {
        let violations = one.decision.violations.iter().map(|finding| (Weight::Refused, finding));
        let warnings = one.decision.warnings.iter().map(|finding| (weight(finding), finding));
        for (weight, finding) in violations.chain(warnings) {
            let path = one.path_in_document(&finding.path);
            let same = all.iter_mut().find(|other| {
                *other.source == finding.source && other.path == path && other.message == finding.message
            });
            match same {
                // A controller is warned of what its pod is refused for.
                Some(other) => other.weight = other.weight.min(weight),
                None => all.push(Told {
                    weight,
                    source: &finding.source,
                    path,
                    message: &finding.message,
                    location: one.locate(&finding.path),
                }),
            }
        }
    }
    all
}

/// What to tell of one of a document's objects: of what a controller and its pod have in common, each thing once.
pub(super) struct OfOne<'j> {
    pub(super) violations: Vec<&'j Finding>,
    pub(super) warnings: Vec<&'j Finding>,
    pub(super) skipped: Vec<&'j Finding>,
    pub(super) excepted: Vec<&'j Finding>,
    /// Whether it is refused for what its controller is refused for.
    pub(super) refused_with_controller: bool,
}

impl<'j> OfOne<'j> {
    /// `one` is one of `judged`. What refuses a controller is told of it, everything else of its pod.
    pub(super) fn of(one: &'j Judged<'_>, judged: &'j [Judged<'_>]) -> Self {
        let (decision, other) = (&one.decision, judged.iter().find(|other| other.is_made != one.is_made));
        let is_in = |finding: &Finding, list: for<'d> fn(&'d Decision) -> &'d Vec<Finding>| {
            other.is_some_and(|other| {
                list(&other.decision).iter().any(|told| {
                    told.source == finding.source
                        && told.message == finding.message
                        && other.path_in_document(&told.path) == one.path_in_document(&finding.path)
                })
            })
        };
        let lists: [for<'d> fn(&'d Decision) -> &'d Vec<Finding>; 4] =
            [|d| &d.violations, |d| &d.warnings, |d| &d.skipped, |d| &d.excepted];
        let of_pod = |finding: &&Finding| one.is_made || !lists.iter().any(|list| is_in(finding, *list));
        let violations: Vec<&Finding> = decision
            .violations
            .iter()
            .filter(|finding| !one.is_made || !is_in(finding, |d| &d.violations))
            .collect();
        Self {
            refused_with_controller: violations.len() < decision.violations.len(),
            violations,
            warnings: decision.warnings.iter().filter(of_pod).collect(),
            skipped: decision.skipped.iter().filter(of_pod).collect(),
            excepted: decision.excepted.iter().filter(of_pod).collect(),
        }
    }
}

fn weight(finding: &Finding) -> Weight {
    if finding.mode == Mode::Audit { Weight::Audited } else { Weight::Warned }
}

/// Whether the object or the pod that it makes is refused.
pub(super) fn is_refused(judged: &[Judged<'_>]) -> bool {
    judged.iter().any(|one| !one.decision.allowed)
}

/// Whether the object or the pod that it makes is changed.
pub(super) fn is_changed(judged: &[Judged<'_>]) -> bool {
    judged.iter().any(|one| one.decision.mutated.is_some())
}
