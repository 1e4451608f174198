//! What the filter is configured with: a policy, and what stands around it in the proxy.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::TrafficPolicySpec;

/// What the filter is configured with, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Configuration {
    /// The policy's name, for metrics and logs.
    pub policy: PolicyName,
    /// The policy.
    pub spec: TrafficPolicySpec,
    /// The proxy's clusters for the filter's own calls.
    #[serde(default, skip_serializing_if = "Clusters::is_empty")]
    pub clusters: Clusters,
    /// What X-Forwarded-For is when the filter sees it.
    #[serde(default, skip_serializing_if = "crate::resources::is_default")]
    pub forwarded_for: ForwardedFor,
    /// Who checks signatures.
    #[serde(default, skip_serializing_if = "crate::resources::is_default")]
    pub verification: Verification,
    /// Headers that only policies before this one in the proxy may set: they have taken away what clients sent there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub set_before: Vec<String>,
    /// Whether access logs take from the filter what a client may fill as it likes: the path and the host, without queries,
    /// tokens and card numbers.
    #[serde(default, skip_serializing_if = "crate::resources::is_default")]
    pub logs_paths: bool,
}

/// A policy's name.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicyName {
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
}

impl fmt::Display for PolicyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Names of clusters (config.cluster.v3.Cluster) in the proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Clusters {
    /// For each provider whose keys have a URI, by its name: the cluster of that URI's host.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub jwks: BTreeMap<String, String>,
    /// The cluster of the rate limit service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit_service: Option<String>,
}

impl Clusters {
    /// Whether none is named.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.jwks.is_empty() && self.rate_limit_service.is_none()
    }
}

/// What X-Forwarded-For is when the filter sees it: whether the proxy's own entry counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ForwardedFor {
    /// As the proxy received it: a sidecar's, and where the proxy is rendered by us.
    #[default]
    Received,
    /// The proxy has appended the address of whoever connected, as a mesh's gateways do.
    Appended,
}

/// Who checks signatures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Verification {
    /// The proxy where it shows at the start that it does it right, else the filter.
    #[default]
    Auto,
    /// The proxy. Where it can't, the configuration is refused.
    Host,
    /// The filter.
    Wasm,
}
