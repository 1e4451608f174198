//! What one policy wants to be asked about.

use super::Served;
use crate::Operation;
use crate::compile::Policy;
use crate::decide::UNJUDGED;
use crate::object::PodBearing;
use crate::resources::ControllerHandling;

const WRITES: [Operation; 2] = [Operation::Create, Operation::Update];

/// The operations on this resource at which the policy may give something: those that `mutate` does not pass over.
pub(super) fn mutating<'p>(policy: &'p Policy, served: &'p Served) -> impl Iterator<Item = Operation> + 'p {
    let kind = PodBearing::of(&served.kind);
    let operations: &[Operation] = match (served.sub_resource(), kind) {
        ("", Some(PodBearing::Pod | PodBearing::Job)) => &[Operation::Create],
        ("", _) => &WRITES,
        ("ephemeralcontainers", Some(PodBearing::Pod)) => &[Operation::Update],
        _ => &[],
    };
    // Every pattern is about all kinds, but only one that names a controller changes its template.
    let pods = kind.is_some_and(|kind| kind == PodBearing::Pod || policy.scope.names_kind(&served.kind));
    let gives = policy.mutations.iter().any(|entry| pods || entry.transformation.applies_to_any_kind());
    operations.iter().copied().filter(move |operation| gives && is_about(policy, served, *operation))
}

/// The operations on this resource at which the policy may refuse something, or warn of it.
pub(super) fn validating<'p>(policy: &'p Policy, served: &'p Served) -> impl Iterator<Item = Operation> + 'p {
    const ALL: [Operation; 4] = [Operation::Create, Operation::Update, Operation::Delete, Operation::Connect];
    ALL.into_iter().filter(move |operation| {
        !policy.rules.is_empty()
            && !UNJUDGED.contains(&served.sub_resource())
            && (is_about(policy, served, *operation)
                || judges_pod_of(policy, served, *operation)
                || (policy.enforces() && binds_pod_of(policy, served, *operation))
                || guards_labels_of(policy, served, *operation))
    })
}

/// Whether a request like this may be in the policy's scope.
fn is_about(policy: &Policy, served: &Served, operation: Operation) -> bool {
    served.allows(operation)
        && policy.scope.operations.contains(&operation)
        && policy.scope.kinds.iter().any(|kind| kind.matches(&served.kind))
}

/// Whether it is a controller whose pod the policy judges.
fn judges_pod_of(policy: &Policy, served: &Served, operation: Operation) -> bool {
    let is_controller = PodBearing::of(&served.kind).is_some_and(|kind| kind != PodBearing::Pod);
    is_controller
        && served.sub_resource().is_empty()
        && WRITES.contains(&operation)
        && served.allows(operation)
        && policy.controllers != ControllerHandling::Ignore
        && policy.scope.operations.contains(&Operation::Create)
        && is_about_pods(policy)
}

/// Whether it binds a pod that the policy may be about, and would bring labels along.
fn binds_pod_of(policy: &Policy, served: &Served, operation: Operation) -> bool {
    operation == Operation::Create
        && served.kind.group.is_empty()
        && served.kind.kind == "Binding"
        && is_about_pods(policy)
}

/// Whether it changes labels by which a TrafficPolicy that the policy requires selects a pod.
fn guards_labels_of(policy: &Policy, served: &Served, operation: Operation) -> bool {
    operation == Operation::Update
        && PodBearing::of(&served.kind) == Some(PodBearing::Pod)
        && ["", "status"].contains(&served.sub_resource())
        && policy.scope.operations.contains(&Operation::Create)
        && is_about_pods(policy)
        && policy.requirements().next().is_some()
}

fn is_about_pods(policy: &Policy) -> bool {
    let pod = PodBearing::Pod.group_version_kind();
    policy.scope.kinds.iter().any(|kind| kind.matches(&pod))
}
