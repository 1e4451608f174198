//! Decides about a request.

use serde_json::Value;

use crate::compile::{CompiledEntry, Facts};
use crate::difference::difference;
use crate::mutate::{Outcome, Plan, run};
use crate::object::{Fields, PodBearing, Reach, get, get_list, get_str};
use crate::set::PolicySet;
use crate::{Change, Decision, Finding, Mode, Namespace, Operation, Request};

/// Decides about a request: what the object is given, and why.
///
/// `namespace` is what is known of the request's namespace; where it is `None`, only its name is.
#[must_use]
pub fn decide(set: &PolicySet, request: &Request, namespace: Option<&Namespace>) -> Decision {
    let mut decision = Decision { allowed: true, ..Decision::default() };
    let Some((kind, reach)) = mutable(request) else { return decision };
    if set.spares(&request.namespace) {
        return decision;
    }
    let named;
    let namespace = match namespace {
        None if !request.namespace.is_empty() => {
            named = Namespace::named(request.namespace.clone());
            Some(&named)
        }
        known => known,
    };
    let facts = Facts::new(request, namespace);
    let entries = entries(set, &facts, namespace, kind, &mut decision);
    if entries.is_empty() {
        return decision;
    }

    let enforced: Vec<&CompiledEntry> = entries.iter().copied().filter(|e| e.mode == Mode::Enforce).collect();
    let plan = Plan { entries: enforced, kind, reach };
    let object = record(&plan, run(&plan, &facts, &request.object), |_| true, &mut decision);

    // What Warn and Audit would do, they would do to the object that the enforced entries leave.
    if plan.entries.len() < entries.len() {
        let unreturned = Plan { entries, kind, reach };
        let would_be = run(&unreturned, &facts, &object);
        record(&unreturned, would_be, |mode| mode != Mode::Enforce, &mut decision);
    }
    if !decision.allowed {
        decision.changes.retain(|change| change.mode != Mode::Enforce);
    } else if object != request.object {
        decision.patch = difference(&request.object, &object);
        decision.mutated = Some(object);
    }
    decision
}

/// What of the object may be changed; `None` where nothing may.
///
/// Pod specs are nearly immutable: a patch on UPDATE would be refused, and block finalizers. The subresource
/// ephemeralcontainers takes new ephemeral containers and nothing else; all others take nothing. A Job's template is
/// immutable too. What a controller keeps equal to its own template, as a Deployment does its ReplicaSets, it would
/// make again and again if it were changed: its pods are what is changed.
fn mutable(request: &Request) -> Option<(Option<PodBearing>, Reach<'_>)> {
    let kind = PodBearing::of(&request.kind);
    let object = request.object.as_object()?;
    let reach = match (request.operation, request.sub_resource.as_str(), kind) {
        (Operation::Create, "", _) => Reach::Whole,
        (Operation::Update, "", Some(PodBearing::Pod | PodBearing::Job)) => return None,
        (Operation::Update, "", _) => Reach::Whole,
        (Operation::Update, "ephemeralcontainers", Some(PodBearing::Pod)) => {
            Reach::NewEphemeral(&request.old_object)
        }
        _ => return None,
    };
    // A new object is not being deleted, whatever it says: server-side apply lets its author write that.
    let deleted =
        request.operation != Operation::Create && get(object, &["metadata", "deletionTimestamp"]).is_some();
    let mirror = get_str(object, &["metadata", "annotations", "kubernetes.io/config.mirror"]).is_some()
        && get_str(object, &["spec", "nodeName"])
            .is_some_and(|node| request.user_info.username.strip_prefix("system:node:") == Some(node));
    let kept_by_controller =
        !matches!(kind, None | Some(PodBearing::Pod | PodBearing::Job)) && has_controller(object);
    (!deleted && !mirror && !kept_by_controller).then_some((kind, reach))
}

fn has_controller(object: &Fields) -> bool {
    let controls = |owner: &Value| owner.get("controller").and_then(Value::as_bool) == Some(true);
    get_list(object, &["metadata", "ownerReferences"]).iter().any(controls)
}

/// The entries that apply to objects like this one, of the policies that match the request.
fn entries<'s>(
    set: &'s PolicySet,
    facts: &Facts<'_>,
    namespace: Option<&Namespace>,
    kind: Option<PodBearing>,
    decision: &mut Decision,
) -> Vec<&'s CompiledEntry> {
    let mut entries = Vec::new();
    for policy in set.candidates(facts, namespace) {
        let matched = policy.scope.matches(facts).and_then(|matched| {
            Ok(matched && !policy.exclude.as_ref().map_or(Ok(false), |exclude| exclude.matches(facts))?)
        });
        match matched {
            Ok(false) => {}
            Ok(true) => {
                // The template of a controller is changed only where a policy names its kind.
                let pods = kind.is_some_and(|kind| {
                    kind == PodBearing::Pod || policy.scope.names_kind(&facts.request.kind)
                });
                let applicable = policy.entries.iter();
                entries.extend(applicable.filter(|e| pods || e.transformation.applies_to_any_kind()));
            }
            Err((condition, error)) => {
                for entry in &policy.entries {
                    fail(entry, &format!("condition {condition} can't be evaluated: {error}"), decision);
                }
            }
        }
    }
    entries
}

/// Adds what the plan's entries of some modes did, or would have done, to the decision. The object that they leave.
fn record(plan: &Plan<'_>, outcome: Outcome, modes: impl Fn(Mode) -> bool, decision: &mut Decision) -> Value {
    let entry = |position: usize| plan.entries.get(position).copied().filter(|entry| modes(entry.mode));
    decision.changes.extend(outcome.changes.into_iter().filter_map(|change| {
        let entry = entry(change.entry)?;
        Some(Change {
            source: entry.source.clone(),
            mode: entry.mode,
            path: change.path,
            before: change.before,
            after: change.after,
        })
    }));
    decision.skipped.extend(outcome.skips.into_iter().filter_map(|skip| {
        let entry = entry(skip.entry)?;
        Some(Finding {
            source: entry.source.clone(),
            mode: entry.mode,
            path: skip.path,
            message: skip.reason,
        })
    }));
    for failure in outcome.failures {
        if let Some(entry) = entry(failure.entry) {
            fail(entry, &failure.reason, decision);
        }
    }
    outcome.object
}

/// Where it can't be said whether an entry applies, the policy's `failurePolicy` decides, as it does for a
/// ValidatingAdmissionPolicy: an author must not be able to step out of a policy by making its conditions fail.
fn fail(entry: &CompiledEntry, reason: &str, decision: &mut Decision) {
    let (message, findings) = if entry.fails_closed {
        decision.allowed = false;
        (format!("{reason}, and failurePolicy is Fail"), &mut decision.violations)
    } else {
        (format!("left out: {reason}"), &mut decision.skipped)
    };
    findings.push(Finding { source: entry.source.clone(), mode: entry.mode, path: String::new(), message });
}
