//! Who issues tokens.

use sallyport_policy::Duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ClaimToHeader, Jwks, is_default};

/// Who issues tokens, and how they are checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Provider {
    /// The provider's name, unique in the policy, by which rules and limits refer to it.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// What the token's `iss` claim must be, to the letter (RFC 7519 §4.1.1).
    #[schemars(length(min = 1, max = 1024))]
    pub issuer: String,
    /// The token's `aud` claim must name at least one of these (RFC 7519 §4.1.3). Empty: whom the token is meant for
    /// is not checked, which accepts tokens that the issuer made for others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 1024)), extend("x-kubernetes-list-type" = "set"))]
    pub audiences: Vec<String>,
    /// The signature algorithms that are accepted (RFC 7518 §3.1, RFC 8037 §3.1). The token's own `alg` never widens
    /// them.
    #[schemars(length(min = 1, max = 13), extend("x-kubernetes-list-type" = "set"))]
    pub algorithms: Vec<Algorithm>,
    /// The keys that signatures are checked with.
    pub jwks: Jwks,
    /// Where a request carries the token; the first place that holds one counts. By default
    /// `Authorization: Bearer` (RFC 6750 §2.1).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub token_from: Vec<TokenSource>,
    /// The token's `typ` header must be one of these (RFC 8725 §3.11), such as `at+jwt` for access tokens as in
    /// RFC 9068. Letters' case and a leading `application/` do not matter. By default it is not checked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), inner(length(min = 1, max = 128)))]
    pub types: Vec<String>,
    /// How far clocks may differ when `exp`, `nbf` and `iat` are compared. 60s by default.
    #[serde(default = "default_clock_skew", skip_serializing_if = "is_default_clock_skew")]
    pub clock_skew: Duration,
    /// The longest time from `iat` to `exp` that is accepted; a token without `iat` is then refused. By default any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_lifetime: Option<Duration>,
    /// Whether a token without `exp` is accepted, for ever. False by default.
    #[serde(default, skip_serializing_if = "is_default")]
    pub allow_no_expiry: bool,
    /// Claims that the application gets as request headers. Whatever the client itself sent in these headers is
    /// removed from every request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub claims_to_headers: Vec<ClaimToHeader>,
    /// A request header that carries all of the token's claims to the application: its payload as it stands, in
    /// base64url. What the client itself sent there is removed. By default none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub payload_to_header: Option<String>,
    /// Whether the application gets the token too. False by default.
    #[serde(default, skip_serializing_if = "is_default")]
    pub forward: bool,
}

const DEFAULT_CLOCK_SKEW: Duration = Duration::from_secs(60);

fn default_clock_skew() -> Duration {
    DEFAULT_CLOCK_SKEW
}

fn is_default_clock_skew(skew: &Duration) -> bool {
    *skew == DEFAULT_CLOCK_SKEW
}

/// Algorithms of JSON Web Signatures (RFC 7518 §3.1, RFC 8037 §3.1). There is no `none`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Algorithm {
    /// HMAC with SHA-256.
    Hs256,
    /// HMAC with SHA-384.
    Hs384,
    /// HMAC with SHA-512.
    Hs512,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// ECDSA over P-256 with SHA-256.
    Es256,
    /// ECDSA over P-384 with SHA-384.
    Es384,
    /// ECDSA over P-521 with SHA-512.
    Es512,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl Algorithm {
    /// Whether the key that checks a signature also makes one, so that it must stay secret.
    #[must_use]
    pub const fn is_symmetric(self) -> bool {
        matches!(self, Self::Hs256 | Self::Hs384 | Self::Hs512)
    }

    /// Its name in a token's `alg` header.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::EdDsa => "EdDSA",
        }
    }
}

/// A place where a request carries a token: exactly one of header, cookie and queryParameter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "(has(self.header) ? 1 : 0) + (has(self.cookie) ? 1 : 0) + (has(self.queryParameter) ? 1 : 0) == 1",
        "message": "exactly one of header, cookie and queryParameter is needed"
    },
    {
        "rule": "!has(self.scheme) || has(self.header)",
        "message": "scheme goes with header"
    }
]))]
pub struct TokenSource {
    /// A header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub header: Option<String>,
    /// The word before the token in the header, such as Bearer, in any case (RFC 9110 §11.1). By default none: the
    /// header's whole value is the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub scheme: Option<String>,
    /// A cookie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub cookie: Option<String>,
    /// A parameter of the query. Addresses end up in logs, and tokens with them (RFC 6750 §5.3): prefer a header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub query_parameter: Option<String>,
}

/// The one place of a [`TokenSource`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenLocation<'a> {
    /// In a header, after a scheme if there is one.
    Header {
        /// The header's name.
        name: &'a str,
        /// The word before the token.
        scheme: Option<&'a str>,
    },
    /// In a cookie.
    Cookie(&'a str),
    /// In a parameter of the query.
    QueryParameter(&'a str),
}

impl TokenSource {
    /// The place, when there is exactly one.
    #[must_use]
    pub fn location(&self) -> Option<TokenLocation<'_>> {
        match (&self.header, &self.cookie, &self.query_parameter) {
            (Some(name), None, None) => Some(TokenLocation::Header { name, scheme: self.scheme.as_deref() }),
            (None, Some(name), None) => Some(TokenLocation::Cookie(name)),
            (None, None, Some(name)) => Some(TokenLocation::QueryParameter(name)),
            _ => None,
        }
    }
}
