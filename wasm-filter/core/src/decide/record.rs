//! What is said of a decision in metrics and access logs.

use std::fmt::Write as _;
use std::rc::Rc;

use super::{NotSignedIn, Refused, RefusedFor};
use crate::host::HostError;
use crate::program::Program;
use crate::request::ClientAddress;

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
    /// The provider whose token was refused, by its place.
    pub provider: Option<usize>,
    /// The limit that refused, or would have, or was not counted as it should be, by its place.
    pub limit: Option<usize>,
    /// Limits in shadow mode that would have refused too.
    pub shadowed: Vec<Refused>,
    /// The signed-in subject: see [`Token::subject`](super::Token::subject).
    pub subject: Option<Rc<str>>,
    /// How the proxy failed, if it did.
    pub error: Option<HostError>,
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

impl Record {
    /// That a request passes.
    pub(super) const fn allowed(reason: &'static str) -> Self {
        Self {
            verdict: Verdict::Allowed,
            reason,
            rule: None,
            provider: None,
            limit: None,
            shadowed: Vec::new(),
            subject: None,
            error: None,
        }
    }

    /// That it has not signed in.
    pub(super) fn not_signed_in(&mut self, refused: NotSignedIn) {
        self.verdict = Verdict::Denied;
        self.reason = refused.reason.word();
        self.rule = refused.rule;
        self.provider = refused.provider;
    }

    /// That a limit refuses it, or would.
    pub(super) fn refused(&mut self, verdict: Verdict, refused: Refused) {
        self.verdict = verdict;
        self.uncounted(refused.reason, refused.limit);
    }

    pub(super) fn uncounted(&mut self, reason: RefusedFor, limit: usize) {
        self.reason = reason.word();
        self.limit = Some(limit);
    }

    /// A decision as access logs have it: `verdict=denied reason=over_limit limit=per-user policy=shop/api`. With the
    /// client's address where other proxies tell it: who has connected, logs have anyway.
    pub(super) fn tell(&self, program: &Program, client: Option<ClientAddress>) -> String {
        let jwt = program.jwt.as_ref();
        let rule = self.rule.and_then(|rule| jwt?.requirements.get(rule));
        let provider = self.provider.and_then(|provider| jwt?.providers.get(provider));
        let limit = |limit: usize| program.limits.get(limit).map(|limit| limit.spec.name.as_str());
        let mut told = String::with_capacity(128);
        for (name, value) in [
            ("verdict=", Some(self.verdict.word())),
            (" reason=", Some(self.reason)),
            (" rule=", rule.map(|rule| rule.name.as_str())),
            (" provider=", provider.map(|provider| provider.spec.name.as_str())),
            (" limit=", self.limit.and_then(limit)),
            (" subject=", self.subject.as_deref()),
            (" policy=", Some(&program.policy.namespace)),
            ("/", Some(&program.policy.name)),
        ] {
            if let Some(value) = value {
                told.push_str(name);
                told.push_str(value);
            }
        }
        for (at, shadowed) in self.shadowed.iter().enumerate() {
            told.push_str(if at == 0 { " shadowed=" } else { "," });
            told.push_str(limit(shadowed.limit).unwrap_or_default());
            told.push(':');
            told.push_str(shadowed.reason.word());
        }
        if let Some(client) = client.filter(|_| program.logs_paths && program.trusted_hops > 0) {
            let _ = write!(told, " client={}", client.ip());
        }
        told
    }
}
