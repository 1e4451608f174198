//! The keys that signatures are checked with.

use sallyport_policy::Duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::is_default;

/// Keys, from exactly one of inline, uri, secretRef and env.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "(has(self.inline) ? 1 : 0) + (has(self.uri) ? 1 : 0) + (has(self.secretRef) ? 1 : 0) + \
                 (has(self.env) ? 1 : 0) == 1",
        "message": "exactly one of inline, uri, secretRef and env is needed"
    },
    {
        "rule": "has(self.uri) || !(has(self.refresh) || has(self.maxStale))",
        "message": "refresh and maxStale go with uri"
    }
]))]
pub struct Jwks {
    /// A JSON Web Key Set (RFC 7517 §5), as JSON. Everyone who can read this policy can read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 262144))]
    pub inline: Option<String>,
    /// Where proxies fetch a JSON Web Key Set (RFC 7517 §5): https, at a host on the operator's list, not an IP
    /// address; redirects are not followed, and more than 256 KiB is not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 9, max = 2048))]
    pub uri: Option<String>,
    /// How often the keys at uri are fetched anew. 5m by default. A token with an unknown `kid` has them fetched
    /// earlier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh: Option<Duration>,
    /// How long the last keys stay in use when uri can't be reached; after that tokens are refused. 24h by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_stale: Option<Duration>,
    /// A key of a Secret in the policy's namespace. It reaches the proxies as an environment variable, so they need a
    /// restart to see another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretKeys>,
    /// An environment variable of the proxies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<EnvKeys>,
}

/// Keys in a Secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretKeys {
    /// The Secret's name, in the policy's namespace.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The key in the Secret's data.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
    /// How it is written: JWKS (the default), PEM or Raw.
    #[serde(default, skip_serializing_if = "is_default")]
    pub format: KeyFormat,
}

/// Keys in an environment variable of the proxies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnvKeys {
    /// The variable's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// How it is written: JWKS (the default), PEM or Raw.
    #[serde(default, skip_serializing_if = "is_default")]
    pub format: KeyFormat,
}

/// How keys are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum KeyFormat {
    /// A JSON Web Key Set (RFC 7517 §5).
    #[default]
    #[serde(rename = "JWKS")]
    Jwks,
    /// A public key as SubjectPublicKeyInfo in PEM (RFC 7468 §13).
    #[serde(rename = "PEM")]
    Pem,
    /// The bytes of a shared secret as they stand, for HS256, HS384 and HS512.
    Raw,
}

/// The one source of [`Jwks`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JwksSource<'a> {
    /// A JSON Web Key Set in the policy itself.
    Inline(&'a str),
    /// A JSON Web Key Set somewhere else.
    Uri(&'a str),
    /// A Secret.
    Secret(&'a SecretKeys),
    /// An environment variable of the proxies.
    Env(&'a EnvKeys),
}

impl Jwks {
    /// The source, when there is exactly one.
    #[must_use]
    pub fn source(&self) -> Option<JwksSource<'_>> {
        match (&self.inline, &self.uri, &self.secret_ref, &self.env) {
            (Some(jwks), None, None, None) => Some(JwksSource::Inline(jwks)),
            (None, Some(uri), None, None) => Some(JwksSource::Uri(uri)),
            (None, None, Some(secret), None) => Some(JwksSource::Secret(secret)),
            (None, None, None, Some(env)) => Some(JwksSource::Env(env)),
            _ => None,
        }
    }

    /// How often keys are fetched anew.
    #[must_use]
    pub fn refresh(&self) -> Duration {
        self.refresh.unwrap_or(Duration::from_secs(5 * 60))
    }

    /// How long the last keys stay in use when no others can be fetched.
    #[must_use]
    pub fn max_stale(&self) -> Duration {
        self.max_stale.unwrap_or(Duration::from_secs(24 * 60 * 60))
    }
}
