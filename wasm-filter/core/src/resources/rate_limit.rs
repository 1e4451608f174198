//! How often one may ask.

use sallyport_policy::Duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{KeySource, RouteMatch, TrafficMode, is_default};

/// How often one may ask, counted for each key by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RateLimit {
    /// The limit's name, unique in the policy. The RateLimit-Policy field, metrics and logs show it.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// Whether a request over the limit is refused; by default as the policy's mode says. Shadow: it passes, and is
    /// counted in metrics and named in logs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<TrafficMode>,
    /// Who counts. Local (the default): each proxy by itself, so N replicas admit up to N times as much. Global: the
    /// rateLimitService, for all proxies together.
    #[serde(default, skip_serializing_if = "is_default")]
    pub scope: LimitScope,
    /// The requests that count: any of these. By default all.
    #[serde(default, rename = "match", skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub matches: Vec<RouteMatch>,
    /// The requests that do not count after all: any of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub exempt: Vec<RouteMatch>,
    /// What is counted apart: requests with the same values of all of these share a limit. By default all requests
    /// share one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub key: Vec<KeySource>,
    /// What happens to a request that lacks a part of the key. ClientAddress (the default): the client's address
    /// takes the place of the whole key. Deny: it is answered with 429. Skip: this limit does not count it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub on_missing_key: MissingKey,
    /// How many requests in how long a time.
    pub limit: Limit,
    /// As how many requests each of these counts. 1 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub cost: Option<u32>,
    /// Global only: how many requests a proxy takes from the service at a time and then counts by itself. More cost
    /// fewer calls, and leave more unused when they end up with proxies that do not need them. 1 by default: every
    /// request asks the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub lease: Option<u32>,
}

impl RateLimit {
    /// As how many requests each counts.
    #[must_use]
    pub fn cost(&self) -> u32 {
        self.cost.unwrap_or(1)
    }

    /// How many requests a proxy takes from the service at a time.
    #[must_use]
    pub fn lease(&self) -> u32 {
        self.lease.unwrap_or(1)
    }
}

/// Who counts for a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum LimitScope {
    /// Each proxy by itself.
    #[default]
    Local,
    /// The rateLimitService, for all proxies together.
    Global,
}

/// What happens to a request that lacks a part of a limit's key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum MissingKey {
    /// The client's address takes the place of the whole key.
    #[default]
    ClientAddress,
    /// It is answered with 429.
    Deny,
    /// The limit does not count it.
    Skip,
}

/// How many requests in how long a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Limit {
    /// How many requests are admitted in each period, at a steady rate.
    #[schemars(range(min = 1))]
    pub requests: u32,
    /// The period. A limit of scope Global has 1s, 1m, 1h or 1d.
    pub period: Duration,
    /// How many requests are admitted at once after a time without any; then the steady rate holds. By default as
    /// many as requests, so that up to twice as many may pass within one period. Local only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub burst: Option<u32>,
}

impl Limit {
    /// How many requests are admitted at once after a time without any.
    #[must_use]
    pub fn burst(&self) -> u32 {
        self.burst.unwrap_or(self.requests)
    }
}

/// Which response header fields tell clients of their limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum RateLimitFields {
    /// RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers).
    #[default]
    Standard,
    /// These, and the older X-RateLimit-Limit, X-RateLimit-Remaining and X-RateLimit-Reset.
    WithLegacy,
    /// Only Retry-After, with the answer 429.
    None,
}
