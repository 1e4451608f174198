//! A decision in one word, for the log, the metrics and the audit log.

use sallyport_admission::Decision;

/// A decision in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Allowed,
    Patched,
    Denied,
}

impl Verdict {
    pub(crate) const ALL: [Self; 3] = [Self::Allowed, Self::Patched, Self::Denied];

    pub(crate) fn of(decision: &Decision, patches: bool) -> Self {
        match decision.allowed {
            false => Self::Denied,
            true if patches && !decision.patch.0.is_empty() => Self::Patched,
            true => Self::Allowed,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Patched => "patched",
            Self::Denied => "denied",
        }
    }
}
