//! The pod that a controller would make.

use crate::compile::Policy;
use crate::object::PodBearing;
use crate::offline::pod_of;
use crate::set::PolicySet;
use crate::{Context, Mode, Request};

use super::mutate;
use crate::resources::ControllerHandling;

/// The request by which the controller would create its pod, as far as that can be known: the API server's defaults
/// filled in and our own mutations done. What other webhooks would add is not there. `None` where there is no pod.
pub(super) fn pod_to_be(
    set: &PolicySet,
    request: &Request,
    kind: PodBearing,
    context: &Context<'_>,
) -> Option<Request> {
    let made = pod_of(kind, &request.object)?;
    let creation = Request::creation_by_controller(made, &request.namespace, &request.user_info);
    let mut creation = Request { dry_run: request.dry_run, ..creation };
    let everything = Context { failure_policy: None, ..*context };
    if let Some(mutated) = mutate(set, &creation, &everything).mutated {
        creation.object = mutated;
    }
    Some(creation)
}

/// What becomes of a verdict on the pod that a controller would make; `None` where there is to be none.
pub(super) fn handling(policy: &Policy, mode: Mode) -> Option<Mode> {
    match policy.controllers {
        ControllerHandling::Enforce => Some(mode),
        ControllerHandling::Warn => Some(mode.without_refusal()),
        ControllerHandling::Ignore => None,
    }
}
