//! Headers that tell browsers what to refuse.

use sallyport_policy::Duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::is_default;

/// A set of security headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum HeaderPreset {
    /// What the OWASP Secure Headers Project proposes.
    #[serde(rename = "owasp")]
    Owasp,
}

/// Strict-Transport-Security (RFC 6797 §6.1): browsers come back by https only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StrictTransportSecurity {
    /// How long browsers keep to it, in whole seconds. 0s makes them forget it (RFC 6797 §6.1.1).
    pub max_age: Duration,
    /// Whether it holds for all hosts below this one too (RFC 6797 §6.1.2). False by default.
    #[serde(default, skip_serializing_if = "is_default")]
    pub include_sub_domains: bool,
    /// Whether browsers may be shipped with it, which takes months to undo. False by default. The preload list wants
    /// includeSubDomains and at least 365d.
    #[serde(default, skip_serializing_if = "is_default")]
    pub preload: bool,
}

/// X-Frame-Options (RFC 7034 §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum FrameOptions {
    /// In no frame.
    #[serde(rename = "DENY")]
    Deny,
    /// Only in a frame of the same origin.
    #[serde(rename = "SAMEORIGIN")]
    SameOrigin,
}

/// Referrer-Policy (W3C Referrer Policy §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReferrerPolicy {
    /// Never.
    NoReferrer,
    /// The whole address, unless from https to http.
    NoReferrerWhenDowngrade,
    /// The origin.
    Origin,
    /// The whole address to the same origin, else the origin.
    OriginWhenCrossOrigin,
    /// The whole address to the same origin, else nothing.
    SameOrigin,
    /// The origin, unless from https to http.
    StrictOrigin,
    /// The whole address to the same origin, else the origin, and nothing from https to http.
    StrictOriginWhenCrossOrigin,
    /// The whole address.
    UnsafeUrl,
}

impl FrameOptions {
    /// The header's value.
    #[must_use]
    pub const fn value(self) -> &'static str {
        match self {
            Self::Deny => "DENY",
            Self::SameOrigin => "SAMEORIGIN",
        }
    }
}

impl ReferrerPolicy {
    /// The header's value.
    #[must_use]
    pub const fn value(self) -> &'static str {
        match self {
            Self::NoReferrer => "no-referrer",
            Self::NoReferrerWhenDowngrade => "no-referrer-when-downgrade",
            Self::Origin => "origin",
            Self::OriginWhenCrossOrigin => "origin-when-cross-origin",
            Self::SameOrigin => "same-origin",
            Self::StrictOrigin => "strict-origin",
            Self::StrictOriginWhenCrossOrigin => "strict-origin-when-cross-origin",
            Self::UnsafeUrl => "unsafe-url",
        }
    }
}
