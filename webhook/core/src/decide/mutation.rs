//! What a request's object is given.

use serde_json::Value;

use super::{author, exception, fail, give_up, is_genuine_mirror, matching, subject};
use crate::compile::{CompiledEntry, Facts};
use crate::difference::difference;
use crate::mutate::{Plan, run};
use crate::object::{Fields, PodBearing, Reach, get, get_list};
use crate::resources::FailurePolicy;
use crate::set::PolicySet;
use crate::{Change, Context, Decision, Finding, Mode, Namespace, Operation, Request};

/// Decides what the object is given, and why. The request is refused only where a policy that fails closed can't say
/// whether it applies.
#[must_use]
pub fn mutate(set: &PolicySet, request: &Request, context: &Context<'_>) -> Decision {
    let mut decision = Decision { allowed: true, ..Decision::default() };
    if let Some(object) = author::recorded(request) {
        decision.patch = difference(&request.object, &object);
        decision.mutated = Some(object);
        return decision;
    }
    let Some((kind, reach)) = mutable(request) else { return decision };
    if set.spares(&request.namespace) {
        return decision;
    }
    let named = Namespace::named(request.namespace.as_str());
    let context = &context.or_named(&named);
    let facts = Facts::new(request, context.namespace);
    let entries = entries(set, &facts, context, kind, &mut decision);
    if entries.is_empty() {
        return decision;
    }

    let enforced: Vec<&CompiledEntry> = entries.iter().copied().filter(|e| e.mode == Mode::Enforce).collect();
    let plan =
        Plan { entries: enforced, kind, reach, mesh_images: set.mesh_images(), awaited: context.awaited };
    let Some(object) = record(&plan, &facts, &request.object, |_| true, &mut decision) else {
        return decision;
    };

    // What Warn and Audit would do, they would do to the object that the enforced entries leave.
    if plan.entries.len() < entries.len() {
        let unreturned = Plan { entries, ..plan };
        record(&unreturned, &facts, &object, |mode| mode != Mode::Enforce, &mut decision);
    }
    if !decision.allowed {
        decision.changes.retain(|change| change.mode != Mode::Enforce);
    } else if object != request.object {
        decision.patch = difference(&request.object, &object);
        decision.mutated = Some(object);
    }
    // Of a TrafficPolicy it shows that it is about the pod.
    decision.matched |= !decision.changes.is_empty();
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
    let kept_by_controller =
        !matches!(kind, None | Some(PodBearing::Pod | PodBearing::Job)) && has_controller(object);
    (!deleted && !is_genuine_mirror(request, object) && !kept_by_controller).then_some((kind, reach))
}

fn has_controller(object: &Fields) -> bool {
    get_list(object, &["metadata", "ownerReferences"]).iter().any(controls)
}

fn controls(owner: &Value) -> bool {
    owner.get("controller").and_then(Value::as_bool) == Some(true)
}

/// Whether an object says that a controller of Kubernetes' own keeps it equal to its own template. Anybody can write that
/// something controls an object; but only what has been judged itself can have it judged no more.
pub(super) fn is_kept(kind: PodBearing, object: &Fields) -> bool {
    let Some(keeper) = kind.keeper() else { return false };
    let keeps = |owner: &Value| {
        let version = owner.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
        controls(owner)
            && owner.get("kind").and_then(Value::as_str) == Some(keeper.kind())
            && version.rsplit_once('/').is_some_and(|(group, _)| group == keeper.group())
    };
    get_list(object, &["metadata", "ownerReferences"]).iter().any(keeps)
}

/// The entries that apply to objects like this one, of the policies that match the request.
fn entries<'s>(
    set: &'s PolicySet,
    facts: &Facts<'_>,
    context: &Context<'_>,
    kind: Option<PodBearing>,
    decision: &mut Decision,
) -> Vec<&'s CompiledEntry> {
    let matching = matching(set, facts, context, |policy, reason| {
        for entry in &policy.mutations {
            fail(&entry.source, entry.mode, entry.fails_closed, &reason, decision);
        }
    });
    decision.matched = !matching.is_empty();
    let mut entries = Vec::new();
    for policy in matching {
        // The template of a controller is changed only where a policy names its kind.
        let pods =
            kind.is_some_and(|kind| kind == PodBearing::Pod || policy.scope.names_kind(&facts.request.kind));
        for entry in policy.mutations.iter().filter(|e| pods || e.transformation.applies_to_any_kind()) {
            let subject = [subject(facts.request)];
            match exception(set, policy, &entry.source, &subject, context.now) {
                None => entries.push(entry),
                Some(exception) => decision.excepted.push(Finding {
                    source: entry.source.clone(),
                    mode: entry.mode,
                    path: String::new(),
                    message: format!("left out: {exception}"),
                }),
            }
        }
    }
    // A proxy without its keys refuses everybody for as long as it lives: there had better be no such pod.
    if kind == Some(PodBearing::Pod) && context.failure_policy != Some(FailurePolicy::Ignore) {
        entries.extend(set.keys(&facts.request.namespace));
    }
    entries
}

/// Adds what the plan's entries of some modes do to the object, or would do, to the decision. The object that they
/// leave; `None` where nobody waits for it any more, and the request is refused.
fn record(
    plan: &Plan<'_>,
    facts: &Facts<'_>,
    object: &Value,
    modes: impl Fn(Mode) -> bool,
    decision: &mut Decision,
) -> Option<Value> {
    let outcome = match run(plan, facts, object) {
        Ok(outcome) => outcome,
        Err(next) => {
            decision.changes.clear();
            give_up(&plan.entries.get(next)?.source, decision);
            return None;
        }
    };
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
            fail(&entry.source, entry.mode, entry.fails_closed, &failure.reason, decision);
        }
    }
    Some(outcome.object)
}
