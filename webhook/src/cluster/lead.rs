//! What the leader does: all that must be done once, in one place and one after the other.
//!
//! Each pass brings everything to where it should be, and says when there is something to do again: certificates, then
//! the webhook configurations that name their authorities, then what attaches TrafficPolicies, then the policies' statuses.
//! Whatever changed in the cluster meanwhile begins another pass.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use futures_util::{Stream, StreamExt as _};
use k8s_openapi::Resource as _;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::api::PartialObjectMeta;
use kube::runtime::events::{Event, EventType, Recorder};
use kube::{Api, Client};
use sallyport_admission::registration::Served;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::attach::{Attaching, Counted, Standing, Watches};
use super::certificates::Secrets;
use super::changes::{changes, version};
use super::discovery::Known;
use super::lease::Held;
use super::metrics::{Metrics, Written};
use super::mirror::Key;
use super::policies::Policies;
use super::registration::Target;
use super::{NAME, pause, status};
use crate::gate::unix_seconds;

/// Whom the API server is to trust.
#[derive(Clone, Debug)]
pub(crate) enum Trust {
    /// The authorities that Sallyport makes.
    Kept(Box<Secrets>),
    /// Those in this file.
    File(PathBuf),
    /// Those that cert-manager fills in, of this Certificate: `NAMESPACE/NAME`.
    CertManager(String),
}

/// Whoever leads.
pub(crate) struct Leader {
    pub(crate) client: Client,
    pub(crate) recorder: Recorder,
    /// Sallyport's own.
    pub(crate) namespace: String,
    pub(crate) policies: Arc<Policies>,
    pub(crate) trust: Trust,
    pub(crate) target: Target,
    pub(crate) spared: BTreeSet<String>,
    pub(crate) timeout_seconds: i32,
    /// Whom the API server takes Sallyport for.
    pub(crate) account: String,
    /// The ClusterRole with which the configurations are to be removed.
    pub(crate) owner: Option<String>,
    pub(crate) metrics: Metrics,
    /// How TrafficPolicies are attached; `None` where there is no filter to attach.
    pub(crate) attaching: Option<Attaching>,
}

/// What is kept from one pass to the next.
#[derive(Default)]
pub(super) struct Memory {
    /// The authorities that stand in both configurations.
    published: Option<String>,
    pub(super) served: Option<(Instant, Vec<Served>)>,
    /// What each group and version was last known to serve.
    pub(super) known: Known,
    /// Until when Sallyport is paused, and why.
    paused: Option<String>,
    pub(super) written: Written,
    /// What became of TrafficPolicies.
    pub(super) standing: BTreeMap<Key, Standing>,
    pub(super) counted: Counted,
    pub(super) watches: Watches,
}

/// Between two passes.
const LEAST: Duration = Duration::from_millis(200);
/// A pass is made again after so long, whatever happens.
const AGAIN: Duration = Duration::from_secs(60);
/// What takes longer than this hangs.
const LONGEST: Duration = Duration::from_secs(60);
/// And so long after one that failed.
const AGAIN_AFTER_FAILURE: Duration = Duration::from_secs(2);

impl Leader {
    /// Leads for as long as this replica holds the Lease, and again when it does again.
    pub(crate) async fn run(self, mut held: Held) {
        loop {
            if held.wait_for(|held| *held).await.is_err() {
                return;
            }
            self.metrics.leading.set(1);
            let lost = tokio::select! {
                () = self.lead() => Ok(()),
                lost = held.wait_for(|held| !*held) => lost.map(drop),
            };
            self.metrics.leading.set(0);
            self.metrics.paused_until.set(0);
            if lost.is_err() {
                return;
            }
        }
    }

    async fn lead(&self) {
        let mut seen = self.policies.seen();
        let mutating: Api<PartialObjectMeta<MutatingWebhookConfiguration>> = Api::all(self.client.clone());
        let mut mutating = pin!(changes(mutating, NAME, version));
        let validating: Api<PartialObjectMeta<ValidatingWebhookConfiguration>> =
            Api::all(self.client.clone());
        let mut validating = pin!(changes(validating, NAME, version));
        // It is renewed all the time, which is no change.
        let leases: Api<PartialObjectMeta<Lease>> = Api::namespaced(self.client.clone(), &self.namespace);
        let mut paused = pin!(changes(leases, NAME, pause::of));
        let mut certificates = pin!(self.certificates());
        let mut memory = Memory::default();
        let mut failing = None;
        loop {
            seen.mark_unchanged();
            let pass = timeout(LONGEST, self.pass(&mut memory)).await;
            let again = match pass.unwrap_or_else(|_| Err(anyhow!("the API server does not answer"))) {
                Ok(due) => {
                    if failing.take().is_some() {
                        tracing::info!("the cluster is as it should be again");
                    }
                    let left = due.saturating_sub(unix_seconds()).max(1);
                    AGAIN.min(Duration::from_secs(left.unsigned_abs()))
                }
                Err(error) => {
                    let why = format!("{error:#}");
                    if failing.as_ref() != Some(&why) {
                        tracing::error!("the cluster can't be brought to where it should be: {why}");
                        failing = Some(why);
                    }
                    AGAIN_AFTER_FAILURE
                }
            };
            let again = Instant::now() + again;
            tokio::select! {
                () = sleep_until(again) => {}
                _ = seen.changed() => {}
                Some(()) = mutating.next() => {}
                Some(()) = validating.next() => {}
                Some(()) = paused.next() => {}
                Some(()) = certificates.next() => {}
                () = memory.watches.changed.notified() => {}
            }
            // What changes together is dealt with together, and who fights with somebody does it slowly.
            sleep(LEAST).await;
        }
    }

    /// Something happens to the certificates that are kept.
    fn certificates(&self) -> impl Stream<Item = ()> {
        match &self.trust {
            Trust::Kept(secrets) => secrets.changes().left_stream(),
            Trust::File(_) | Trust::CertManager(_) => futures_util::stream::pending().right_stream(),
        }
    }

    /// Brings everything to where it should be; when there is something to do again, in Unix seconds.
    async fn pass(&self, memory: &mut Memory) -> anyhow::Result<i64> {
        let now = unix_seconds();
        // What goes wrong with one part keeps no other from being done: it is told at the end.
        let (bundle, renewal) = match self.metrics.part("certificates", self.trusted(memory).await) {
            Ok((bundle, due)) => (bundle, Ok(due)),
            Err(error) => (memory.published.clone(), Err(error)),
        };
        let is_known = bundle.is_some() || matches!(self.trust, Trust::CertManager(_));
        let registered = self.register_unless_paused(bundle, is_known, memory, now).await;
        let registered = self.metrics.part("registration", registered);
        let attached = self.metrics.part("attachments", self.attach(memory).await);
        let known = status::Known { standing: &memory.standing, paused: memory.paused.as_deref() };
        let told = status::tell(&self.client, &self.recorder, &self.policies, &known, now).await;
        let told = self.metrics.part("statuses", told);
        let due = renewal?.min(registered?);
        attached?;
        told?;
        Ok(due)
    }

    /// The authorities to trust, and when something is to be done about them, in Unix seconds.
    async fn trusted(&self, memory: &Memory) -> anyhow::Result<(Option<String>, i64)> {
        match &self.trust {
            Trust::Kept(secrets) => {
                let standing = secrets.tend(memory.published.as_deref()).await?;
                Ok((Some(standing.bundle), standing.due))
            }
            Trust::File(path) => {
                let text = tokio::fs::read_to_string(path).await;
                Ok((Some(text.with_context(|| format!("cannot read {}", path.display()))?), i64::MAX))
            }
            Trust::CertManager(_) => Ok((None, i64::MAX)),
        }
    }

    /// Registers, and notes whom the API server trusts then; when there is something to do again, in Unix seconds.
    async fn register_unless_paused(
        &self,
        bundle: Option<String>,
        is_known: bool,
        memory: &mut Memory,
        now: i64,
    ) -> anyhow::Result<i64> {
        if let Some((until, why)) = self.pause().await?.filter(|(until, _)| *until > now) {
            self.metrics.paused_until.set(until);
            let told = pause::told(until, &why);
            if memory.paused.as_ref() != Some(&told) {
                let note = format!("nothing is registered {told}");
                self.tell_of_pause(EventType::Warning, "Paused", &note).await;
                memory.paused = Some(told);
            }
            // What is made afterwards was not changed by somebody.
            memory.written = Written::default();
            // What was there before the pause, or was made just as it began.
            pause::unregister(&self.client).await?;
            return Ok(until);
        }
        self.metrics.paused_until.set(0);
        if memory.paused.take().is_some() {
            self.tell_of_pause(EventType::Normal, "Resumed", "the pause is over").await;
        }
        if !is_known {
            return Ok(i64::MAX);
        }
        self.register(bundle.as_deref(), memory).await?;
        if let (Trust::Kept(secrets), true) = (&self.trust, memory.published != bundle) {
            memory.published = bundle;
            // An authority that is published now is on its way to be used.
            return Ok(secrets.tend(memory.published.as_deref()).await?.due);
        }
        Ok(i64::MAX)
    }

    /// Until when Sallyport is paused, in Unix seconds, and why.
    async fn pause(&self) -> anyhow::Result<Option<(i64, String)>> {
        let leases: Api<Lease> = Api::namespaced(self.client.clone(), &self.namespace);
        let lease = leases.get_opt(NAME).await.context("the Lease can't be read")?;
        Ok(lease.and_then(|lease| pause::of(&lease.metadata)))
    }

    async fn tell_of_pause(&self, type_: EventType, reason: &str, note: &str) {
        match type_ {
            EventType::Warning => tracing::warn!("{note}"),
            EventType::Normal => tracing::info!("{note}"),
        }
        let about = ObjectReference {
            api_version: Some(Lease::API_VERSION.to_owned()),
            kind: Some(Lease::KIND.to_owned()),
            name: Some(NAME.to_owned()),
            namespace: Some(self.namespace.clone()),
            ..ObjectReference::default()
        };
        let event = Event {
            type_,
            reason: reason.to_owned(),
            note: Some(note.to_owned()),
            action: "Register".to_owned(),
            secondary: None,
        };
        // One that is lost changes nothing.
        let _ = self.recorder.publish(&event, &about).await;
    }
}
