//! The gate that the server asks: decisions over the policies in force.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, SystemTime};

use sallyport_admission::{Awaited, Context, Mode, Request, mutate, validate};

use crate::own_resources::check;
use crate::policies::InForce;
use crate::server::{Gate, Judgement, Share};

/// Where the policies in force come from.
pub trait Policies: std::fmt::Debug + Send + Sync {
    /// The policies in force.
    fn current(&self) -> Arc<InForce>;

    /// Finds out the labels of a namespace that nobody has told of yet. It may take until `deadline`.
    ///
    /// # Errors
    /// What is missing, in a sentence.
    fn learn(&self, _namespace: &str, _deadline: Instant) -> Result<(), String> {
        Ok(())
    }
}

/// Decides over the policies in force.
#[derive(Debug)]
pub struct PolicyGate {
    policies: Arc<dyn Policies>,
    /// Whether policies were ever in force that look at who set which field. It stays, so that a call that began before
    /// they came sees that they did.
    managed_fields_were_read: AtomicBool,
    /// Who attaches the filter to proxies; where nobody does, nothing of it is guarded.
    account: Option<String>,
}

impl PolicyGate {
    /// A gate over these policies, of a Sallyport that is this user of the API server's, where it is one.
    #[must_use]
    pub fn new(policies: Arc<dyn Policies>, account: Option<String>) -> Self {
        Self { policies, managed_fields_were_read: AtomicBool::new(false), account }
    }

    /// The policies in force.
    fn current(&self) -> Arc<InForce> {
        let in_force = self.policies.current();
        if in_force.set.reads_managed_fields() {
            self.managed_fields_were_read.store(true, Ordering::SeqCst);
        }
        in_force
    }
}

impl Gate for PolicyGate {
    fn prepare(&self, request: &Request, deadline: Instant) -> Result<(), String> {
        let is_known = request.namespace.is_empty()
            || (request.kind.group.is_empty() && request.kind.kind == "Namespace")
            || self.policies.current().namespace(&request.namespace).is_some();
        if is_known { Ok(()) } else { self.policies.learn(&request.namespace, deadline) }
    }

    fn mutate(&self, request: &Request, share: Share, deadline: Instant) -> Judgement {
        let in_force = self.current();
        let is_awaited = || Instant::now() < deadline;
        let decision = mutate(&in_force.set, request, &context(&in_force, request, share, &is_awaited));
        Judgement { decision, policies: Some(Arc::clone(&in_force.digest)) }
    }

    fn validate(&self, request: &Request, share: Share, deadline: Instant) -> Judgement {
        let in_force = self.current();
        let is_awaited = || Instant::now() < deadline;
        let decision = validate(&in_force.set, request, &context(&in_force, request, share, &is_awaited));
        Judgement { decision, policies: Some(Arc::clone(&in_force.digest)) }
    }

    fn check_resource(&self, request: &Request) -> Judgement {
        check(&self.policies.current(), self.account.as_deref(), request).into()
    }

    fn reads_managed_fields(&self) -> bool {
        self.managed_fields_were_read.load(Ordering::SeqCst) || self.current().set.reads_managed_fields()
    }

    fn violations(&self) -> Vec<(Arc<str>, Mode)> {
        let loaded = self.policies.current();
        let entries = loaded.set.policies().iter().flat_map(|policy| policy.entries());
        let found: HashSet<_> = entries.map(|(source, mode)| (Arc::clone(&source.policy), mode)).collect();
        found.into_iter().collect()
    }

    fn ready(&self) -> Result<(), String> {
        Ok(())
    }
}

/// A decision that nobody waits for any more is given up, so that it doesn't keep those that somebody waits for from a
/// thread and from memory.
fn context<'l>(
    in_force: &'l InForce,
    request: &Request,
    share: Share,
    is_awaited: &'l dyn Fn() -> bool,
) -> Context<'l> {
    let namespace = in_force.namespace(&request.namespace);
    let awaited = Awaited::while_true(is_awaited);
    Context { namespace, now: unix_seconds(), failure_policy: share, awaited }
}

/// The time in seconds since 1970.
pub(crate) fn unix_seconds() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}
