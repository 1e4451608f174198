//! What a decision needs to know besides the request.

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
