//! What a limit counts apart.

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};

use super::{ClaimPath, is_default};

/// A part of a limit's key, exactly one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum KeySource {
    /// A claim of a valid token.
    Claim(ClaimKey),
    /// The client's address.
    ClientAddress(ClientAddressKey),
    /// A text that is the same for all requests, which a service that others use too can tell them by.
    Constant(ConstantKey),
    /// A cookie.
    Cookie(CookieKey),
    /// A request header.
    Header(HeaderKey),
    /// The request's host, in lower case and without port.
    Host(NoOptions),
    /// The request's method; all that RFC 9110 and RFC 5789 do not define count as one.
    Method(NoOptions),
    /// The request's path, without the query.
    Path(PathKey),
    /// The identity in the client's certificate of mutual TLS, such as `cluster.local/ns/shop/sa/cart`.
    Peer(NoOptions),
    /// A parameter of the query.
    Query(QueryKey),
}

/// Nothing to choose, written `{}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = without_additional_properties)]
pub struct NoOptions {}

/// The API server takes no schema with `additionalProperties: false`.
fn without_additional_properties(schema: &mut Schema) {
    schema.remove("additionalProperties");
}

/// A claim of a valid token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClaimKey {
    /// Whose token.
    #[schemars(length(min = 1, max = 63))]
    pub provider: String,
    /// The names that lead to the claim: `[sub]`.
    #[schemars(length(min = 1, max = 8), inner(length(min = 1, max = 256)))]
    pub path: ClaimPath,
}

/// The client's address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClientAddressKey {
    /// How many leading bits of an IPv4 address count: addresses that share them share a limit. 32 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 32))]
    pub ipv4_prefix: Option<u8>,
    /// How many leading bits of an IPv6 address count. 64 by default, since a client usually has a whole /64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 128))]
    pub ipv6_prefix: Option<u8>,
}

impl ClientAddressKey {
    /// How many leading bits of an IPv4 address count.
    #[must_use]
    pub fn ipv4_prefix(&self) -> u8 {
        self.ipv4_prefix.unwrap_or(32)
    }

    /// How many leading bits of an IPv6 address count.
    #[must_use]
    pub fn ipv6_prefix(&self) -> u8 {
        self.ipv6_prefix.unwrap_or(64)
    }
}

/// A request header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HeaderKey {
    /// The header's name (RFC 9110 §5.1), in any case.
    #[schemars(length(min = 1, max = 256))]
    pub name: String,
    /// Believe the header only from these identities of mutual TLS, such as
    /// `cluster.local/ns/istio-system/sa/istio-ingressgateway`; from others it counts as missing. Empty: from anyone,
    /// and whoever changes the header gets another limit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 512)), extend("x-kubernetes-list-type" = "set"))]
    pub from_peers: Vec<String>,
}

/// A cookie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CookieKey {
    /// The cookie's name, in which letters' case matters. A cookie that comes twice counts as missing.
    #[schemars(length(min = 1, max = 256))]
    pub name: String,
}

/// A parameter of the query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct QueryKey {
    /// The parameter's name, in which letters' case matters. A parameter that comes twice counts as missing.
    #[schemars(length(min = 1, max = 256))]
    pub name: String,
}

/// A text that is the same for all requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConstantKey {
    /// The text.
    #[schemars(length(min = 1, max = 256))]
    pub value: String,
}

/// The request's path, in lower case and without a slash at its end, so that no other spelling has a limit of its own.
/// Paths that are not canonical count together, with the segments before the first that is not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PathKey {
    /// How many leading segments count: with 2, `/api/users/7` counts as `/api/users`. 0 (the default): all of them.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(range(max = 32))]
    pub segments: u8,
    /// Paths that fit one of these templates count together: with `/users/{id}`, `/users/7` and `/users/8` share a
    /// limit, whatever their letters' case and with or without a slash at the end. The first that fits counts, before
    /// segments; for a path that is not canonical, the first that it may fit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 1024)), extend("x-kubernetes-list-type" = "set"))]
    pub templates: Vec<String>,
}
