//! Bindings of pods to nodes.
//!
//! What a Binding has of labels and annotations, the API server writes to the pod (pkg/registry/core/pod/storage,
//! setPodNodeAndMetadata). The pod itself isn't in the request, so no policy can be asked what it says of the pod that
//! comes of it: where one may be in force, a binding brings nothing with it.

use crate::object::get_object;
use crate::set::PolicySet;
use crate::{Finding, GroupVersionKind, Mode, Operation, Request, Source};

/// What the API server's own plugin PodTopologyLabels puts on a binding.
const TOPOLOGY: [&str; 2] = ["topology.kubernetes.io/region", "topology.kubernetes.io/zone"];

/// Whether a pod is being bound, by `pods/binding` or by the older `bindings`.
pub(super) fn is_binding(request: &Request) -> bool {
    request.operation == Operation::Create && request.kind.group.is_empty() && request.kind.kind == "Binding"
}

/// A finding for each label and each annotation that a binding brings to a pod about which a policy that enforces may
/// be.
pub(super) fn metadata_brought(set: &PolicySet, request: &Request) -> Vec<Finding> {
    let pod = GroupVersionKind { kind: "Pod".to_owned(), ..request.kind.clone() };
    // The pod's labels are not known, so the policy's index, which goes by them, is of no use.
    let enforcing = set
        .policies()
        .iter()
        .find(|policy| policy.enforces() && policy.scope.may_hold(&pod, &request.namespace));
    let (Some(policy), Some(binding)) = (enforcing, request.object.as_object()) else { return Vec::new() };
    let maps = ["labels", "annotations"].into_iter();
    maps.flat_map(|map| {
        get_object(binding, &["metadata", map]).into_iter().flatten().map(move |(key, _)| (map, key))
    })
    .filter(|(map, key)| *map != "labels" || !TOPOLOGY.contains(&key.as_str()))
    .map(|(map, key)| Finding {
        source: Source::whole(&policy.name),
        mode: Mode::Enforce,
        path: format!("metadata.{map}[{key}]"),
        message: "found on a binding, which would write it to the pod unjudged; wanted none".to_owned(),
    })
    .collect()
}
