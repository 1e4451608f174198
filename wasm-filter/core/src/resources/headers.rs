//! Which headers come and go.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    CrossOriginEmbedderPolicy, CrossOriginOpenerPolicy, CrossOriginResourcePolicy, FrameOptions,
    HeaderPreset, ReferrerPolicy, StrictTransportSecurity, is_default,
};

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
    /// What of the client's is kept. Never (the default): nothing, the identifier is a new one (a UUID). Trace: if the
    /// client sends a valid `traceparent` (W3C Trace Context §3.2), its trace-id is the identifier, else a new one.
    /// Valid: the client's identifier is kept if it is 1 to 128 letters, digits, `-`, `_` and `.`, else as with Trace.
    /// `traceparent` itself is never changed.
    #[serde(default, skip_serializing_if = "is_default")]
    pub accept: CorrelationAccept,
    /// Whether the response carries it too. False by default.
    #[serde(default, skip_serializing_if = "is_default")]
    pub respond: bool,
}

/// What of a client's correlation identifiers is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum CorrelationAccept {
    /// Nothing: the identifier is a new one.
    #[default]
    Never,
    /// The trace-id of a valid `traceparent`.
    Trace,
    /// The client's identifier if it is 1 to 128 letters, digits, `-`, `_` and `.`, else as with Trace.
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
    /// A set of security headers to start from. owasp: what the OWASP Secure Headers Project proposes, but for
    /// Clear-Site-Data, which would sign users out; headers that reveal the server, as it lists them, are removed.
    /// strict-transport: Strict-Transport-Security alone. By default none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<HeaderPreset>,
    /// Content-Security-Policy (CSP Level 3): directives with their sources, as `default-src: ["'self'"]`. A directive
    /// without sources is an empty list.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    pub content_security_policy: BTreeMap<String, Vec<String>>,
    /// Content-Security-Policy-Report-Only, written in the same way: what it forbids is reported and not refused.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    pub content_security_policy_report_only: BTreeMap<String, Vec<String>>,
    /// Strict-Transport-Security (RFC 6797 §6.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict_transport_security: Option<StrictTransportSecurity>,
    /// X-Frame-Options (RFC 7034 §2.1): DENY or SAMEORIGIN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame_options: Option<FrameOptions>,
    /// Referrer-Policy (W3C Referrer Policy §3), such as `no-referrer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub referrer_policy: Option<ReferrerPolicy>,
    /// Permissions-Policy (W3C Permissions Policy §5): features with those who may use them: `self`, `*`, `src` and
    /// origins such as `https://maps.example`. Nobody is an empty list: `camera: []`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 128))]
    pub permissions_policy: BTreeMap<String, Vec<String>>,
    /// Cross-Origin-Opener-Policy (HTML §7.1.3), such as `same-origin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cross_origin_opener_policy: Option<CrossOriginOpenerPolicy>,
    /// Cross-Origin-Embedder-Policy (HTML §7.1.4), such as `require-corp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cross_origin_embedder_policy: Option<CrossOriginEmbedderPolicy>,
    /// Cross-Origin-Resource-Policy (Fetch §3.7), such as `same-origin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cross_origin_resource_policy: Option<CrossOriginResourcePolicy>,
    /// Headers that are set, after those to remove have gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub set: Vec<SetHeader>,
    /// Names of headers that are removed. A header of the preset that is named here is not filled in.
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
    /// The header's value (RFC 9110 §5.5): visible ASCII characters, and spaces and tabs between them. In it stand for
    /// what a request says: `%{request-id}` (its x-request-id, which the proxy makes), `%{correlation-id}`,
    /// `%{client-address}`, `%{host}`, `%{method}`, `%{path}` (without the query), and on requests
    /// `%{claim(PROVIDER, NAME, …)}`, with the names that lead to the claim. `%%{` is `%{` itself. A value of which one of
    /// these is missing, or holds what a header can't, is not set; where it would take the place of the client's, the
    /// header is removed.
    #[schemars(length(max = 4096))]
    pub value: String,
    /// What happens when the header is already there. Replace (the default): the value takes its place. Keep: it
    /// stays as it is. Append: the value is added to it, in a line of its own (RFC 9110 §5.3).
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
