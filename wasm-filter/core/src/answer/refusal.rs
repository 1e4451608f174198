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
    /// It has nothing that a limit could count it by.
    NoLimitKey,
    /// Whoever counts for a limit is away.
    NotCounted,
    /// More callers came than a limit can count apart.
    TooManyCallers,
    /// The keys that tokens are checked with are not there.
    NotReady,
    /// No rule lets it in, whoever asks.
    NoRule {
        /// Whether its token is good all the same.
        is_signed_in: bool,
    },
    /// The proxy failed.
    Failed,
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
    /// It is valid for longer than is accepted.
    Lifetime,
    /// It does not say how long it is valid.
    NoExpiry,
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
            Self::NoExpiry => "The token does not expire",
        }
    }
}

impl Refusal<'_> {
    /// The status of HTTP (RFC 9110 §15.5, RFC 6585 §4, RFC 6750 §3.1).
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Malformed | Self::ManyTokens => 400,
            Self::NoToken | Self::BadToken(_) | Self::NoRule { is_signed_in: false } => 401,
            Self::Claims | Self::NoRule { is_signed_in: true } => 403,
            Self::TooMany { .. } | Self::NoLimitKey | Self::NotCounted | Self::TooManyCallers => 429,
            Self::NotReady | Self::Failed => 503,
        }
    }

    /// The status of gRPC.
    #[must_use]
    pub const fn grpc_status(&self) -> GrpcStatus {
        match self.status() {
            400 => GrpcStatus::InvalidArgument,
            401 => GrpcStatus::Unauthenticated,
            403 => GrpcStatus::PermissionDenied,
            429 => GrpcStatus::ResourceExhausted,
            _ => GrpcStatus::Unavailable,
        }
    }

    /// The reason phrase of the status (RFC 9110 §15).
    pub(super) const fn title(&self) -> &'static str {
        match self.status() {
            400 => "Bad Request",
            401 => "Unauthorized",
            403 => "Forbidden",
            429 => "Too Many Requests",
            _ => "Service Unavailable",
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
            Self::NoLimitKey => "The request lacks what a limit counts by",
            Self::NotCounted => "Requests can't be counted at the moment: try again later",
            Self::TooManyCallers => "Too many callers at the moment: try again later",
            Self::NotReady => "Tokens can't be checked at the moment: try again later",
            Self::NoRule { .. } => "No rule lets this request in",
            Self::Failed => "The request can't be decided at the moment: try again later",
        }
    }

    /// The error code (RFC 6750 §3.1). A request without a token gets none.
    pub(super) const fn error(&self) -> Option<&'static str> {
        match self {
            Self::ManyTokens => Some("invalid_request"),
            Self::BadToken(_) => Some("invalid_token"),
            Self::Claims => Some("insufficient_scope"),
            _ => None,
        }
    }

    /// Whether signing in, or signing in differently, would help.
    pub(super) const fn challenges(&self) -> bool {
        self.status() == 401 || self.error().is_some()
    }
}
