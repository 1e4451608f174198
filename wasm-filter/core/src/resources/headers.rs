//! Which headers come and go.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{FrameOptions, HeaderPreset, ReferrerPolicy, StrictTransportSecurity, is_default};

/// Which headers come and go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Headers {
    /// An identifier that a request carries through all services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation: Option<Correlation>,
    /// What the application gets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestHeaders>,
    /// What the client gets, also with the filter's own answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<ResponseHeaders>,
}

/// An identifier that a request carries through all services.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Correlation {
    /// The header that carries it, such as `x-correlation-id`.
    #[schemars(length(min = 1, max = 256))]
    pub header: String,
    /// Whether the client's identifier is kept. Never (the default): it is replaced by a new one. Valid: it is kept if
    /// it is 1 to 128 letters, digits, `-`, `_` and `.`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub accept: CorrelationAccept,
    /// Whether the response carries it too. False by default.
    #[serde(default, skip_serializing_if = "is_default")]
    pub respond: bool,
}

/// Whether the client's correlation identifier is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum CorrelationAccept {
    /// It is replaced by a new one.
    #[default]
    Never,
    /// It is kept if it is 1 to 128 letters, digits, `-`, `_` and `.`.
    Valid,
}

/// What the application gets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RequestHeaders {
    /// Headers that are set, after those to remove have gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub set: Vec<SetHeader>,
    /// Names of headers that are removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 256)), extend("x-kubernetes-list-type" = "set"))]
    pub remove: Vec<String>,
}

/// What the client gets. A preset's headers fill in what the application left out; every header that is named here
/// replaces the application's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResponseHeaders {
    /// A set of security headers to start from: owasp. By default none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<HeaderPreset>,
    /// Content-Security-Policy (CSP Level 3): directives with their sources, as `default-src: ["'self'"]`. A directive
    /// without sources is an empty list.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    pub content_security_policy: BTreeMap<String, Vec<String>>,
    /// Strict-Transport-Security (RFC 6797 §6.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict_transport_security: Option<StrictTransportSecurity>,
    /// X-Frame-Options (RFC 7034 §2.1): DENY or SAMEORIGIN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame_options: Option<FrameOptions>,
    /// Referrer-Policy (W3C Referrer Policy §3), such as `no-referrer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub referrer_policy: Option<ReferrerPolicy>,
    /// Headers that are set, after those to remove have gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub set: Vec<SetHeader>,
    /// Names of headers that are removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 256)), extend("x-kubernetes-list-type" = "set"))]
    pub remove: Vec<String>,
}

/// A header that is set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetHeader {
    /// The header's name (RFC 9110 §5.1).
    #[schemars(length(min = 1, max = 256))]
    pub name: String,
    /// The header's value (RFC 9110 §5.5): visible ASCII characters, and spaces and tabs between them.
    #[schemars(length(max = 4096))]
    pub value: String,
    /// What happens when the header is already there. Replace (the default): the value takes its place. Keep: it
    /// stays as it is. Append: the value is added to it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub existing: ExistingHeader,
}

/// What happens to a header that is already there when it is to be set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ExistingHeader {
    /// The new value takes its place.
    #[default]
    Replace,
    /// It stays as it is.
    Keep,
    /// The new value is added to it.
    Append,
}
