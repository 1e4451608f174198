//! Why a call has no decision, and who is told what about it.

use std::time::Duration;

use axum::http::StatusCode;

use super::review::Malformed;
use super::weight::CONTAINERS_MAX;

/// Why a call has no decision.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("the content type is not application/json; expected an AdmissionReview as application/json")]
    ContentType,
    #[error("the body is encoded; expected it without Content-Encoding")]
    ContentEncoding,
    #[error("the body has more than {limit} bytes; expected at most that many")]
    TooLarge { limit: usize },
    #[error("the body would take {weight} bytes of memory to decide about; expected at most {limit}")]
    TooHeavy { weight: usize, limit: usize },
    #[error("the object has more than {CONTAINERS_MAX} containers; expected at most that many")]
    TooManyContainers,
    #[error("the body did not arrive in time; expected it within {} ms", .0.as_millis())]
    SlowBody(Duration),
    #[error("the body ended before its announced end; expected all of it")]
    BrokenBody,
    #[error("{0}")]
    Malformed(#[from] Malformed),
    #[error("too many requests are being decided: try again")]
    Overload,
    #[error("no decision within {} ms", .0.as_millis())]
    Deadline(Duration),
    #[error("no decision: {0}")]
    Unprepared(String),
    #[error(
        "the decision could not be put on record in time: the audit log is not written as fast as calls come in"
    )]
    NotOnRecord,
    #[error("the decision failed: this is a bug, and the log says more")]
    Panicked,
}

/// Who is told what about a failure.
pub(super) enum Class {
    /// The request is at fault.
    Malformed(StatusCode, &'static str),
    /// We are, or nobody knows who is: the webhook's failurePolicy decides.
    Unanswered(StatusCode, &'static str),
}

impl Failure {
    /// One of each, but for what is malformed, of which [`Fault`](super::review::Fault) knows the reasons.
    pub(super) const ALL: [Self; 12] = [
        Self::ContentType,
        Self::ContentEncoding,
        Self::TooLarge { limit: 0 },
        Self::TooHeavy { weight: 0, limit: 0 },
        Self::TooManyContainers,
        Self::SlowBody(Duration::ZERO),
        Self::BrokenBody,
        Self::Overload,
        Self::Deadline(Duration::ZERO),
        Self::NotOnRecord,
        Self::Panicked,
        Self::Unprepared(String::new()),
    ];

    pub(super) fn class(&self) -> Class {
        match self {
            Self::ContentType => Class::Malformed(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content-type"),
            Self::ContentEncoding => Class::Malformed(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content-encoding"),
            Self::TooLarge { .. } => Class::Malformed(StatusCode::PAYLOAD_TOO_LARGE, "too-large"),
            Self::TooHeavy { .. } => Class::Malformed(StatusCode::PAYLOAD_TOO_LARGE, "too-heavy"),
            Self::TooManyContainers => Class::Malformed(StatusCode::PAYLOAD_TOO_LARGE, "too-many-containers"),
            Self::BrokenBody => Class::Malformed(StatusCode::BAD_REQUEST, "broken-body"),
            Self::Malformed(malformed) => Class::Malformed(StatusCode::BAD_REQUEST, malformed.fault.reason()),
            // Whether its sender was slow, the network, or we were too busy to read it, can't be told here.
            Self::SlowBody(_) => Class::Unanswered(StatusCode::REQUEST_TIMEOUT, "slow-body"),
            Self::Overload => Class::Unanswered(StatusCode::SERVICE_UNAVAILABLE, "overload"),
            Self::Deadline(_) => Class::Unanswered(StatusCode::SERVICE_UNAVAILABLE, "deadline"),
            Self::NotOnRecord => Class::Unanswered(StatusCode::SERVICE_UNAVAILABLE, "audit"),
            Self::Panicked => Class::Unanswered(StatusCode::SERVICE_UNAVAILABLE, "panic"),
            Self::Unprepared(_) => Class::Unanswered(StatusCode::SERVICE_UNAVAILABLE, "cluster"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_is_listed_once() {
        // A variant that is added does not compile here, and its number is then missing from the list.
        let number = |failure: &Failure| match failure {
            Failure::ContentType => 0,
            Failure::ContentEncoding => 1,
            Failure::TooLarge { .. } => 2,
            Failure::TooHeavy { .. } => 3,
            Failure::TooManyContainers => 4,
            Failure::SlowBody(_) => 5,
            Failure::BrokenBody => 6,
            Failure::Overload => 7,
            Failure::Deadline(_) => 8,
            Failure::NotOnRecord => 9,
            Failure::Panicked => 10,
            Failure::Unprepared(_) => 11,
            Failure::Malformed(_) => usize::MAX,
        };
        let numbers: Vec<usize> = Failure::ALL.iter().map(number).collect();
        assert_eq!(numbers, (0..12).collect::<Vec<_>>());
    }
}
