//! Who must sign in.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ClaimRule, Provider, Require, RouteMatch, is_default};

/// Who must sign in with a JSON Web Token (RFC 7519), signed as a JSON Web Signature (RFC 7515).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Jwt {
    /// Who issues tokens, and how they are checked.
    #[schemars(
        length(min = 1, max = 16),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub providers: Vec<Provider>,
    /// Which requests need which tokens. The first rule that matches decides; a request that none matches is refused,
    /// with whatever token.
    #[schemars(length(min = 1, max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    pub rules: Vec<JwtRule>,
    /// What happens to CORS preflight requests, which never carry a token. Check (the default) treats them as any
    /// other request; Pass lets them through to the application. Rate limits count them either way.
    #[serde(default, skip_serializing_if = "is_default")]
    pub preflight: Preflight,
    /// Accepts that with failureMode Open, requests pass unchecked when a call of the filter to the proxy fails. False by
    /// default. When the filter's virtual machine has failed, they are refused all the same.
    #[serde(default, skip_serializing_if = "is_default")]
    pub allow_unprotected: bool,
}

/// Which tokens some requests need.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JwtRule {
    /// The rule's name, unique among the rules. Metrics and logs show it.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// The requests: any of these.
    #[serde(rename = "match")]
    #[schemars(length(min = 1, max = 64))]
    pub matches: Vec<RouteMatch>,
    /// `None`: no token is needed, and none is looked at. `{anyOf: [PROVIDER, …]}`: a valid token of one of the
    /// providers. `{allOf: [PROVIDER, …]}`: a valid token of each. `{optional: [PROVIDER, …]}`: no token, or a valid
    /// token of one of the providers.
    pub require: Require,
    /// What the tokens must say: all of these. Else the answer is 403. Where the token is optional, they are asked of
    /// one that is there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub claims: Vec<ClaimRule>,
}

/// What happens to CORS preflight requests: OPTIONS with Origin and Access-Control-Request-Method, without content and
/// without Upgrade.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Preflight {
    /// The rules decide, as about any other request.
    #[default]
    Check,
    /// They pass without a token where their path is canonical.
    Pass,
}
