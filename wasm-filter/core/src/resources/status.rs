//! What the controller says about a policy.

use sallyport_policy::StatusCondition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The condition type that says whether the policy compiles.
pub const ACCEPTED: &str = "Accepted";
/// The condition type that says whether the filter is attached to the proxies that the policy selects.
pub const ATTACHED: &str = "Attached";
/// The condition type that says whether an older policy for the same targets and hosts is in force instead.
pub const CONFLICTED: &str = "Conflicted";

/// What the controller says about a policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrafficPolicyStatus {
    /// The `metadata.generation` that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Accepted: the policy compiles. Attached: the filter is attached to the proxies that it selects. Conflicted: an
    /// older policy for the same targets and hosts is in force instead.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<StatusCondition>,
    /// The resources that attach the filter to the proxies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<AttachedResource>,
    /// The digest of the filter's module: `sha256:` and 64 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
}

/// A resource that attaches the filter to proxies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttachedResource {
    /// Its apiVersion.
    pub api_version: String,
    /// Its kind.
    pub kind: String,
    /// Its name, in the policy's namespace.
    pub name: String,
}
