//! TrafficPolicy as a user writes it, in group `sallyport.dev/v1alpha1`.
//!
//! These types are what YAML is read into, what the filter is configured with, and what the CRD is generated from:
//! their doc comments are its descriptions. Nothing is decided here.

mod claim;
mod headers;
mod jwks;
mod jwt;
mod provider;
mod rate_limit;
mod rate_limit_key;
mod rate_limit_service;
mod require;
mod route_match;
mod security_headers;
mod status;
mod target;
mod traffic_policy;

pub use claim::{ClaimEncoding, ClaimPath, ClaimRule, ClaimTest, ClaimToHeader};
pub use headers::{
    Correlation, CorrelationAccept, ExistingHeader, Headers, RequestHeaders, ResponseHeaders, SetHeader,
};
pub use jwks::{EnvKeys, Jwks, JwksSource, KeyFormat, SecretKeys};
pub use jwt::{Jwt, JwtRule, Preflight};
pub use provider::{Algorithm, Provider, TokenLocation, TokenSource};
pub use rate_limit::{Limit, LimitScope, MissingKey, RateLimit, RateLimitFields};
pub use rate_limit_key::{
    ClaimKey, ClientAddressKey, ConstantKey, CookieKey, HeaderKey, KeySource, NoOptions, PathKey, QueryKey,
};
pub use rate_limit_service::{RateLimitService, WhenUnavailable};
pub use require::Require;
pub use route_match::{HeaderMatch, HeaderTest, PathMatch, RouteMatch};
pub use security_headers::{
    CrossOriginEmbedderPolicy, CrossOriginOpenerPolicy, CrossOriginResourcePolicy, FrameOptions,
    HeaderPreset, ReferrerPolicy, StrictTransportSecurity,
};
pub use status::{ACCEPTED, ATTACHED, AttachedResource, CONFLICTED, TrafficPolicyStatus};
pub use target::{TargetKind, TargetRef};
pub use traffic_policy::{Attach, FailureMode, TrafficMode, TrafficPolicySpec};

/// Whether a field has the value that it has when it is left out, and so needs not be written.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
