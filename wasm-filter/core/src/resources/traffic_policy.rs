//! The policy as a whole.

use sallyport_policy::LabelSelector;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Headers, Jwt, RateLimit, RateLimitFields, RateLimitService, TargetRef, is_default};

/// What may be said to the selected workloads or gateways: who must sign in, how often one may ask, and which headers
/// come and go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "has(self.selector) != has(self.targetRefs)",
        "message": "exactly one of selector and targetRefs is needed"
    },
    {
        "rule": "!has(self.failureMode) || self.failureMode != 'Open' || !has(self.jwt) || \
                 (has(self.jwt.allowUnprotected) && self.jwt.allowUnprotected)",
        "message": "failureMode: Open beside jwt needs jwt.allowUnprotected: true"
    }
]))]
pub struct TrafficPolicySpec {
    /// The pods in the policy's own namespace that it applies to, by their labels; in the mesh's root namespace, pods
    /// in every namespace. An empty selector is all of them. Exactly one of selector and targetRefs is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
    /// The Gateways, Services and workloads in the policy's own namespace that it applies to. Exactly one of selector
    /// and targetRefs is needed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 16))]
    pub target_refs: Vec<TargetRef>,
    /// Only requests to these hosts, in lower case and without port: `api.example.com`, or `*.example.com` for every
    /// host below example.com but not itself. By default requests to any host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 253)), extend("x-kubernetes-list-type" = "set"))]
    pub hosts: Vec<String>,
    /// Which resource attaches the filter to the proxies. Auto (the default) takes the best that the cluster has.
    #[serde(default, skip_serializing_if = "is_default")]
    pub attach: Attach,
    /// Enforce (the default) acts on verdicts; Shadow counts and logs them and lets every request pass unchanged.
    #[serde(default, skip_serializing_if = "is_default")]
    pub mode: TrafficMode,
    /// What happens to a request that can't be decided because the filter itself failed. Closed (the default) refuses
    /// it; Open lets it pass, and is refused beside jwt unless jwt.allowUnprotected is true.
    #[serde(default, skip_serializing_if = "is_default")]
    pub failure_mode: FailureMode,
    /// How many proxies in front of this one are trusted to append to X-Forwarded-For. The client's address is then
    /// taken from there, so many entries from the right, without the one that this proxy itself appends. 0 (the
    /// default): it is the address of whoever connected. Where a proxy does not know that address, as a sidecar does not
    /// of a request with X-Forwarded-For, the request has none: write 1 for a sidecar behind a gateway.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(range(max = 16))]
    pub trusted_hops: u8,
    /// Who must sign in: JSON Web Tokens (RFC 7519). By default nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwt: Option<Jwt>,
    /// The service that counts for limits of scope Global. It must know the domain `sallyport`: for envoyproxy/ratelimit,
    /// a configuration file that says `domain: sallyport` and nothing else, since requests carry the limits. One that does
    /// not know it counts nothing, and is taken for one that does not answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit_service: Option<RateLimitService>,
    /// How often one may ask. A request must be within every limit that applies to it; else the answer is 429.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 32),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub rate_limits: Vec<RateLimit>,
    /// Which header fields tell clients of their limits: Standard (the default), WithLegacy or None.
    #[serde(default, skip_serializing_if = "is_default")]
    pub rate_limit_fields: RateLimitFields,
    /// Which headers come and go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers: Option<Headers>,
}

/// Which resource attaches the filter to the proxies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Attach {
    /// The best that the cluster has: TrafficExtension, else WasmPlugin, else EnvoyFilter.
    #[default]
    Auto,
    /// Istio's WasmPlugin.
    WasmPlugin,
    /// Istio's TrafficExtension.
    TrafficExtension,
    /// Istio's EnvoyFilter.
    EnvoyFilter,
}

/// Whether verdicts are acted on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum TrafficMode {
    /// They are.
    #[default]
    Enforce,
    /// They are counted and logged; every request passes unchanged.
    Shadow,
}

/// What happens to a request that can't be decided because the filter itself failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum FailureMode {
    /// It is refused.
    #[default]
    Closed,
    /// It passes. A verdict about a token is never waived by this.
    Open,
}
