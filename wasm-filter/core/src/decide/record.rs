//! What is said of a decision in metrics and access logs.

use std::rc::Rc;

/// A decision. All words are fixed or of the policy, but the subject, which is a digest: nothing that a client wrote
/// stands here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What was decided.
    pub verdict: Verdict,
    /// Why, where it was not simply allowed; `ok` else.
    pub reason: &'static str,
    /// The rule of `jwt.rules` that decided, by its place.
    pub rule: Option<usize>,
    /// The limit that refused, or would have, by its place.
    pub limit: Option<usize>,
    /// The signed-in subject: see [`Token::subject`](super::Token::subject).
    pub subject: Option<Rc<str>>,
}

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// The request passes.
    Allowed,
    /// It is refused.
    Denied,
    /// It passes, and would be refused if this were enforced.
    Shadowed,
    /// It could not be decided and passes, as `failureMode: Open` says.
    FailedOpen,
    /// It could not be decided and is refused.
    FailedClosed,
}

impl Verdict {
    /// All of them, for metrics.
    pub const ALL: [Self; 5] =
        [Self::Allowed, Self::Denied, Self::Shadowed, Self::FailedOpen, Self::FailedClosed];

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::Shadowed => "shadowed",
            Self::FailedOpen => "failed_open",
            Self::FailedClosed => "failed_closed",
        }
    }
}
