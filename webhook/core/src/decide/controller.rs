//! The pod that a controller would make.

use crate::compile::Policy;
use crate::object::PodBearing;
use crate::offline::{Owner, PodOf, apply_defaults, pod_of};
use crate::set::PolicySet;
use crate::{Context, GroupVersionResource, Mode, Operation, Request};

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
    let PodOf { mut pod, owner } = pod_of(kind, &request.object)?;
    apply_defaults(PodBearing::Pod, &mut pod);
    let mut creation = Request {
        uid: String::new(),
        kind: PodBearing::Pod.group_version_kind(),
        resource: GroupVersionResource {
            group: String::new(),
            version: "v1".to_owned(),
            resource: "pods".to_owned(),
        },
        sub_resource: String::new(),
        name: String::new(),
        namespace: request.namespace.clone(),
        operation: Operation::Create,
        user_info: owner.as_ref().map_or_else(|| request.user_info.clone(), Owner::controller),
        object: pod,
        old_object: serde_json::Value::Null,
        dry_run: request.dry_run,
        request_kind: None,
        request_resource: None,
        request_sub_resource: String::new(),
        options: serde_json::Value::Null,
    };
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
        ControllerHandling::Warn => Some(mode.max(Mode::Warn)),
        ControllerHandling::Ignore => None,
    }
}
