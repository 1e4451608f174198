//! Fields of workloads that Kubernetes does not know. kubectl asks for strict decoding, so the API server refuses them;
//! where nobody asks, it drops them, and what was meant is not there.

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{Pod, PodTemplate, ReplicationController};
use sallyport_admission::{GroupVersionKind, PodBearing};

use crate::source::{Document, Located, unknown_fields};

/// A warning for each field that the newest Kubernetes known here does not have, of a document that holds a pod.
pub(super) fn misspelt(document: &Document) -> Vec<Located> {
    let Some(kind) = PodBearing::of(&GroupVersionKind::of(&document.value)) else { return Vec::new() };
    let mut found = match kind {
        PodBearing::Pod => unknown_fields::<Pod>(document),
        PodBearing::Deployment => unknown_fields::<Deployment>(document),
        PodBearing::ReplicaSet => unknown_fields::<ReplicaSet>(document),
        PodBearing::StatefulSet => unknown_fields::<StatefulSet>(document),
        PodBearing::DaemonSet => unknown_fields::<DaemonSet>(document),
        PodBearing::ReplicationController => unknown_fields::<ReplicationController>(document),
        PodBearing::Job => unknown_fields::<Job>(document),
        PodBearing::CronJob => unknown_fields::<CronJob>(document),
        PodBearing::PodTemplate => unknown_fields::<PodTemplate>(document),
    };
    let told = |located: &mut Located| {
        located.diagnostic.message.push_str(": the API server refuses it, or drops it");
    };
    found.iter_mut().for_each(told);
    found
}
