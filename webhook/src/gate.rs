//! The gate that the server asks: decisions over the policies in force.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, SystemTime};

use sallyport_admission::{
    Awaited, Context, Decision, Finding, Mode, Policy, Request, Source, mutate, validate,
};
use sallyport_policy::{GROUP, Severity};

use crate::policies::{InForce, Store, load};
use crate::server::{Gate, Judgement, Share};
use crate::source::{SourceText, parse};

/// Decides over the policies of a store.
#[derive(Debug)]
pub struct PolicyGate {
    store: Arc<Store>,
    /// Whether policies were ever in force that look at who set which field. It stays, so that a call that began before
    /// they came sees that they did.
    managed_fields_were_read: AtomicBool,
}

impl PolicyGate {
    /// A gate over the store's policies.
    #[must_use]
    pub fn new(store: Arc<Store>) -> Self {
        Self { store, managed_fields_were_read: AtomicBool::new(false) }
    }

    /// The policies in force.
    fn current(&self) -> Arc<InForce> {
        let in_force = self.store.current();
        if in_force.set.reads_managed_fields() {
            self.managed_fields_were_read.store(true, Ordering::SeqCst);
        }
        in_force
    }
}

impl Gate for PolicyGate {
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
        let mut decision = Decision { allowed: true, ..Decision::default() };
        if request.kind.group != GROUP || request.object.is_null() {
            return decision.into();
        }
        // The very code that reads files, so that both say the same of the same resource.
        let text = SourceText::of_value("request", &request.object);
        let (documents, errors) = parse(&Arc::new(text));
        let loaded = load(documents, &errors);
        let finding = |path: String, message: String| Finding {
            source: Source::whole(&request.name),
            mode: Mode::Enforce,
            path,
            message,
        };
        decision.warnings.extend(loaded.not_in_force().map(|message| finding(String::new(), message)));
        for located in loaded.findings {
            let diagnostic = located.diagnostic;
            let found = finding(diagnostic.path.to_string(), diagnostic.message);
            match diagnostic.severity {
                Severity::Error => decision.violations.push(found),
                Severity::Warning => decision.warnings.push(found),
            }
        }
        decision.allowed = decision.violations.is_empty();
        decision.into()
    }

    fn reads_managed_fields(&self) -> bool {
        self.managed_fields_were_read.load(Ordering::SeqCst) || self.current().set.reads_managed_fields()
    }

    fn violations(&self) -> Vec<(Arc<str>, Mode)> {
        let loaded = self.store.current();
        let entries = loaded.set.policies().iter().flat_map(Policy::entries);
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
