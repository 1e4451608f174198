//! What a policy applies to, by name.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A Gateway, Service or workload in the policy's own namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TargetRef {
    /// Gateway (of the Gateway API), Service, Deployment, StatefulSet or DaemonSet.
    pub kind: TargetKind,
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// The kinds of objects that a policy can apply to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum TargetKind {
    /// gateway.networking.k8s.io Gateway: the proxies that serve it.
    Gateway,
    /// Service: the pods that its selector selects, for what is said to them.
    Service,
    /// apps Deployment: its pods.
    Deployment,
    /// apps StatefulSet: its pods.
    StatefulSet,
    /// apps DaemonSet: its pods.
    DaemonSet,
}
