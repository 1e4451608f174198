//! Decides about a request.

mod author;
mod binding;
mod controller;
mod mutation;
mod relabelling;
mod update;
mod validation;

use crate::compile::{Facts, Policy};
use crate::exceptions::{Excepted, Exception};
use crate::object::{Fields, get_str};
use crate::set::PolicySet;
use crate::{Context, Decision, Finding, Mode, Request, Source};

pub use mutation::mutate;
pub(crate) use validation::UNJUDGED;
pub use validation::validate;

/// Decides about a request as the API server would have both webhooks do, one after the other: what the object is
/// given, and whether what comes of that may pass.
#[must_use]
pub fn decide(set: &PolicySet, request: &Request, context: &Context<'_>) -> Decision {
    let mut decision = mutate(set, request, context);
    if !decision.allowed {
        return decision;
    }
    let verdict = match &decision.mutated {
        None => validate(set, request, context),
        Some(mutated) => {
            let mutated = Request { object: mutated.clone(), ..request.clone() };
            validate(set, &mutated, context)
        }
    };
    decision.matched |= verdict.matched;
    decision.allowed = verdict.allowed;
    decision.violations = verdict.violations;
    decision.warnings.extend(verdict.warnings);
    decision.skipped.extend(verdict.skipped);
    decision.excepted.extend(verdict.excepted);
    decision
}

/// The policies that are about a request, in the order in which they apply. Where a policy's conditions can't be
/// evaluated, `failed` is told.
fn matching<'s>(
    set: &'s PolicySet,
    facts: &Facts<'_>,
    context: &Context<'_>,
    mut failed: impl FnMut(&'s Policy, String),
) -> Vec<&'s Policy> {
    let mut matching = set.candidates(facts, context.namespace);
    matching.retain(|policy| {
        if context.failure_policy.is_some_and(|share| share != policy.failure_policy) {
            return false;
        }
        let matched = policy.scope.matches(facts).and_then(|matched| {
            Ok(matched && !policy.exclude.as_ref().map_or(Ok(false), |exclude| exclude.matches(facts))?)
        });
        matched.unwrap_or_else(|(condition, error)| {
            failed(policy, format!("condition {condition} can't be evaluated: {error}"));
            false
        })
    });
    matching
}

/// Where it can't be said whether an entry applies, the policy's `failurePolicy` decides, as it does for a
/// ValidatingAdmissionPolicy: an author must not be able to step out of a policy by making its conditions fail.
fn fail(source: &Source, mode: Mode, fails_closed: bool, reason: &str, decision: &mut Decision) {
    let (message, findings) = if fails_closed {
        decision.allowed = false;
        (format!("{reason}, and failurePolicy is Fail"), &mut decision.violations)
    } else {
        (format!("left out: {reason}"), &mut decision.skipped)
    };
    findings.push(Finding { source: source.clone(), mode, path: String::new(), message });
}

/// Where nobody waits any more, this entry and what comes behind it were not asked: what was not judged must not pass,
/// whatever the entry's mode is. Once is enough said.
fn give_up(next: &Source, decision: &mut Decision) {
    const MESSAGE: &str = "not asked, nor is what comes behind it: nobody waits for the decision any more";
    decision.allowed = false;
    if decision.violations.last().is_none_or(|last| last.message != MESSAGE) {
        decision.violations.push(Finding {
            source: next.clone(),
            mode: Mode::Enforce,
            path: String::new(),
            message: MESSAGE.to_owned(),
        });
    }
}

/// The exception that leaves this entry of a policy out for one of these objects.
fn exception<'s>(
    set: &'s PolicySet,
    policy: &Policy,
    entry: &Source,
    subjects: &[Excepted<'_>],
    now: i64,
) -> Option<&'s Exception> {
    set.exceptions(&policy.name).find(|exception| {
        exception.excepts(policy, entry)
            && exception.honoured_by(policy, now).is_ok()
            && subjects.iter().any(|subject| exception.matches(subject))
    })
}

/// What of a request an exception may be about.
fn subject(request: &Request) -> Excepted<'_> {
    let object = if request.object.is_null() { &request.old_object } else { &request.object };
    Excepted { namespace: &request.namespace, name: &request.name, kind: &request.kind, object }
}

/// Says that the object is the kubelet's own record of a static pod.
const MIRROR_ANNOTATION: &str = "kubernetes.io/config.mirror";

fn is_mirror(object: &Fields) -> bool {
    get_str(object, &["metadata", "annotations", MIRROR_ANNOTATION]).is_some()
}

/// Whether a mirror pod comes from the kubelet that runs it already: nobody else can say so truthfully.
fn is_genuine_mirror(request: &Request, object: &Fields) -> bool {
    is_mirror(object)
        && get_str(object, &["spec", "nodeName"])
            .is_some_and(|node| request.user_info.username.strip_prefix("system:node:") == Some(node))
}
