//! Why a request was refused, in the words of metrics and logs, and of answers.

use super::authenticate::Reason;
use super::limits::RefusedFor;
use super::token::TokenError;
use crate::answer::{Refusal, TokenFault};
use crate::jose::JwsError;
use crate::token::ClaimError;

/// What is said of a request in metrics and access logs: fixed words, so that nothing of a request gets there.
impl Reason {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::NoToken => "no_token",
            Self::SeveralTokens => "several_tokens",
            Self::Claims => "claims",
            Self::NoKeys => "no_keys",
            Self::NoRule { .. } => "no_rule",
            Self::Token(error) => match error {
                TokenError::Jws(JwsError::UnknownAlgorithm | JwsError::NoAlgorithm)
                | TokenError::Algorithm => "algorithm",
                TokenError::Jws(_) | TokenError::Payload(_) | TokenError::PayloadKind => "malformed_token",
                TokenError::Type => "type",
                TokenError::UnknownKey => "unknown_key",
                TokenError::Signature => "signature",
                TokenError::Claim(claim) => match claim {
                    ClaimError::Issuer => "issuer",
                    ClaimError::Audience => "audience",
                    ClaimError::Expired => "expired",
                    ClaimError::NotYet | ClaimError::IssuedLater => "not_yet_valid",
                    ClaimError::NoExpiry => "no_expiry",
                    ClaimError::Lifetime => "lifetime",
                    ClaimError::Time => "malformed_token",
                },
            },
        }
    }

    /// What the client is told.
    #[must_use]
    pub const fn refusal(self) -> Refusal<'static> {
        match self {
            Self::NoToken => Refusal::NoToken,
            Self::SeveralTokens => Refusal::ManyTokens,
            Self::Claims => Refusal::Claims,
            Self::NoKeys => Refusal::NotReady,
            Self::NoRule { is_signed_in } => Refusal::NoRule { is_signed_in },
            Self::Token(error) => Refusal::BadToken(match error {
                TokenError::Jws(JwsError::UnknownAlgorithm | JwsError::NoAlgorithm)
                | TokenError::Algorithm => TokenFault::Algorithm,
                TokenError::Jws(_) | TokenError::Payload(_) | TokenError::PayloadKind => {
                    TokenFault::Malformed
                }
                TokenError::Type => TokenFault::Type,
                TokenError::UnknownKey => TokenFault::Key,
                TokenError::Signature => TokenFault::Signature,
                TokenError::Claim(claim) => match claim {
                    ClaimError::Issuer => TokenFault::Issuer,
                    ClaimError::Audience => TokenFault::Audience,
                    ClaimError::Expired => TokenFault::Expired,
                    ClaimError::NotYet | ClaimError::IssuedLater => TokenFault::NotYetValid,
                    ClaimError::NoExpiry => TokenFault::NoExpiry,
                    ClaimError::Lifetime => TokenFault::Lifetime,
                    ClaimError::Time => TokenFault::Malformed,
                },
            }),
        }
    }
}

impl RefusedFor {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Over => "over_limit",
            Self::MissingKey => "missing_limit_key",
            Self::ServiceUnavailable => "limit_service_unavailable",
            Self::TableFull => "limit_table_full",
        }
    }

    /// What the client is told, `limits` being the name of the one that refuses.
    #[must_use]
    pub const fn refusal<'a>(self, limits: &'a [&'a str]) -> Refusal<'a> {
        match self {
            Self::Over => Refusal::TooMany { limits },
            Self::MissingKey => Refusal::NoLimitKey,
            Self::ServiceUnavailable => Refusal::NotCounted,
            Self::TableFull => Refusal::TooManyCallers,
        }
    }
}
