//! Who counts for all proxies together.

use sallyport_policy::Duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::is_default;

/// A Service that speaks Envoy's rate limit protocol (envoy.service.ratelimit.v3.RateLimitService) over gRPC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RateLimitService {
    /// The Service's name.
    #[schemars(length(min = 1, max = 63))]
    pub service: String,
    /// The Service's namespace; by default the policy's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
    /// The Service's port for gRPC.
    #[schemars(range(min = 1))]
    pub port: u16,
    /// How long a request waits for the service. 50ms by default.
    #[serde(default = "default_timeout", skip_serializing_if = "is_default_timeout")]
    pub timeout: Duration,
    /// What happens when the service does not answer in time. Local (the default): each proxy counts by itself. Allow:
    /// the request passes. Deny: it is answered with 429.
    #[serde(default, skip_serializing_if = "is_default")]
    pub when_unavailable: WhenUnavailable,
}

const DEFAULT_TIMEOUT: Duration = Duration::from_millis(50);

fn default_timeout() -> Duration {
    DEFAULT_TIMEOUT
}

fn is_default_timeout(timeout: &Duration) -> bool {
    *timeout == DEFAULT_TIMEOUT
}

/// What happens when the rate limit service does not answer in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum WhenUnavailable {
    /// Each proxy counts by itself.
    #[default]
    Local,
    /// The request passes.
    Allow,
    /// The request is answered with 429.
    Deny,
}
