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
    /// Strict-Transport-Security, as in owasp.
    #[serde(rename = "strict-transport")]
    StrictTransport,
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

/// Cross-Origin-Opener-Policy (HTML §7.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CrossOriginOpenerPolicy {
    /// Windows of any origin may hold each other.
    UnsafeNone,
    /// Only those of the same origin, and those that this one opens and that do not mind.
    SameOriginAllowPopups,
    /// Only those of the same origin.
    SameOrigin,
    /// The opener is let go at each navigation.
    NoopenerAllowPopups,
}

/// Cross-Origin-Embedder-Policy (HTML §7.1.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CrossOriginEmbedderPolicy {
    /// Resources of any origin may be embedded.
    UnsafeNone,
    /// Only those that say so.
    RequireCorp,
    /// Others too, but without credentials.
    Credentialless,
}

/// Cross-Origin-Resource-Policy (Fetch §3.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CrossOriginResourcePolicy {
    /// Only the same site may embed the response.
    SameSite,
    /// Only the same origin.
    SameOrigin,
    /// Everyone.
    CrossOrigin,
}

impl CrossOriginOpenerPolicy {
    /// The header's value.
    #[must_use]
    pub const fn value(self) -> &'static str {
        match self {
            Self::UnsafeNone => "unsafe-none",
            Self::SameOriginAllowPopups => "same-origin-allow-popups",
            Self::SameOrigin => "same-origin",
            Self::NoopenerAllowPopups => "noopener-allow-popups",
        }
    }
}

impl CrossOriginEmbedderPolicy {
    /// The header's value.
    #[must_use]
    pub const fn value(self) -> &'static str {
        match self {
            Self::UnsafeNone => "unsafe-none",
            Self::RequireCorp => "require-corp",
            Self::Credentialless => "credentialless",
        }
    }
}

impl CrossOriginResourcePolicy {
    /// The header's value.
    #[must_use]
    pub const fn value(self) -> &'static str {
        match self {
            Self::SameSite => "same-site",
            Self::SameOrigin => "same-origin",
            Self::CrossOrigin => "cross-origin",
        }
    }
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
