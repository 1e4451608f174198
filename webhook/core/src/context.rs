//! What a decision needs to know besides the request.

use std::fmt;

use crate::Namespace;
use crate::resources::FailurePolicy;

/// What is known when a request is decided. The default knows nothing, and asks all policies.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context<'c> {
    /// The request's namespace; where it is `None`, only its name is known.
    pub namespace: Option<&'c Namespace>,
    /// The time in seconds since 1970-01-01T00:00:00Z. Exceptions end by it.
    pub now: i64,
    /// Asks only the policies with this failurePolicy, because the webhook entry at hand is theirs; `None` asks all.
    pub failure_policy: Option<FailurePolicy>,
    /// Whether anybody still waits for the decision.
    pub awaited: Awaited<'c>,
}

/// Whether anybody still waits for a decision; asked before each entry. The default is that somebody does. A decision
/// that nobody waits for refuses, and says so.
#[derive(Clone, Copy, Default)]
pub struct Awaited<'c>(Option<&'c dyn Fn() -> bool>);

impl<'c> Awaited<'c> {
    /// For as long as `is_awaited` says so.
    #[must_use]
    pub fn while_true(is_awaited: &'c dyn Fn() -> bool) -> Self {
        Self(Some(is_awaited))
    }

    pub(crate) fn is(self) -> bool {
        self.0.is_none_or(|is_awaited| is_awaited())
    }
}

impl fmt::Debug for Awaited<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Awaited(..)" } else { "Awaited" })
    }
}

impl<'c> Context<'c> {
    /// The same, with `named` where nothing is known of the request's namespace and it has one.
    pub(crate) fn or_named<'n>(&self, named: &'n Namespace) -> Context<'n>
    where
        'c: 'n,
    {
        let namespace = self.namespace.or(Some(named).filter(|named| !named.name.is_empty()));
        Context { namespace, ..*self }
    }
}
