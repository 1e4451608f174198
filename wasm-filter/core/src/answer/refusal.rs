//! Why a request is not let in.

use super::GrpcStatus;

/// Why a request is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal<'a> {
    /// The request can't be read.
    Malformed,
    /// It carries more than one token where one is wanted (RFC 6750 §2).
    ManyTokens,
    /// It carries none.
    NoToken,
    /// What it carries is no token that is wanted.
    BadToken(TokenFault),
    /// Its token does not say what it must.
    Claims,
    /// More came than these limits allow.
    TooMany {
        /// The limits' names.
        limits: &'a [&'a str],
    },
    /// The keys that tokens are checked with are not there.
    NotReady,
}

/// What is wrong with a token. Nothing here helps to forge one: whoever can read the answer holds the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenFault {
    /// It is not a signed JSON Web Token.
    Malformed,
    /// Its algorithm is not accepted.
    Algorithm,
    /// Its `typ` is not.
    Type,
    /// Nobody knows its key.
    Key,
    /// Its signature is not that of its content.
    Signature,
    /// Somebody else issued it.
    Issuer,
    /// It is meant for somebody else.
    Audience,
    /// `exp` has passed.
    Expired,
    /// `nbf` or `iat` has not come.
    NotYetValid,
    /// It is valid for longer than is accepted, or for ever.
    Lifetime,
}

impl TokenFault {
    /// What is wrong: characters that an `error_description` may hold (RFC 6750 §3).
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::Malformed => "The token is malformed",
            Self::Algorithm => "The token's algorithm is not accepted",
            Self::Type => "The token's type is not accepted",
            Self::Key => "The token's key is not known",
            Self::Signature => "The token's signature is not valid",
            Self::Issuer => "The token's issuer is not accepted",
            Self::Audience => "The token is meant for another audience",
            Self::Expired => "The token has expired",
            Self::NotYetValid => "The token is not valid yet",
            Self::Lifetime => "The token is valid for too long",
        }
    }
}

impl Refusal<'_> {
    /// The status of HTTP (RFC 9110 §15.5, RFC 6585 §4, RFC 6750 §3.1).
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Malformed | Self::ManyTokens => 400,
            Self::NoToken | Self::BadToken(_) => 401,
            Self::Claims => 403,
            Self::TooMany { .. } => 429,
            Self::NotReady => 503,
        }
    }

    /// The status of gRPC.
    #[must_use]
    pub const fn grpc_status(&self) -> GrpcStatus {
        match self {
            Self::Malformed | Self::ManyTokens => GrpcStatus::InvalidArgument,
            Self::NoToken | Self::BadToken(_) => GrpcStatus::Unauthenticated,
            Self::Claims => GrpcStatus::PermissionDenied,
            Self::TooMany { .. } => GrpcStatus::ResourceExhausted,
            Self::NotReady => GrpcStatus::Unavailable,
        }
    }

    /// The reason phrase of the status (RFC 9110 §15).
    pub(super) const fn title(&self) -> &'static str {
        match self {
            Self::Malformed | Self::ManyTokens => "Bad Request",
            Self::NoToken | Self::BadToken(_) => "Unauthorized",
            Self::Claims => "Forbidden",
            Self::TooMany { .. } => "Too Many Requests",
            Self::NotReady => "Service Unavailable",
        }
    }

    /// What is wrong, in a sentence.
    #[must_use]
    pub const fn detail(&self) -> &'static str {
        match self {
            Self::Malformed => "The request is malformed",
            Self::ManyTokens => "The request carries more than one token",
            Self::NoToken => "A token is needed",
            Self::BadToken(fault) => fault.description(),
            Self::Claims => "The token does not allow this",
            Self::TooMany { .. } => "Too many requests: try again later",
            Self::NotReady => "Tokens can't be checked at the moment: try again later",
        }
    }

    /// The error code (RFC 6750 §3.1). A request without a token gets none.
    pub(super) const fn error(&self) -> Option<&'static str> {
        match self {
            Self::ManyTokens => Some("invalid_request"),
            Self::BadToken(_) => Some("invalid_token"),
            Self::Claims => Some("insufficient_scope"),
            Self::Malformed | Self::NoToken | Self::TooMany { .. } | Self::NotReady => None,
        }
    }

    /// Whether signing in, or signing in differently, would help.
    pub(super) const fn challenges(&self) -> bool {
        matches!(self, Self::ManyTokens | Self::NoToken | Self::BadToken(_) | Self::Claims)
    }
}
