//! What the leader does: all that must be done once, in one place and one after the other.
//!
//! Each pass brings everything to where it should be, and says when there is something to do again: certificates, then
//! the webhook configurations that name their authorities, then the policies' statuses. Whatever changed in the cluster
//! meanwhile begins another pass.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures_util::{Stream, StreamExt as _};
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{APIResourceList, OwnerReference};
use kube::api::{ApiResource, DynamicObject, ListParams, ObjectMeta, PartialObjectMeta, PostParams};
use kube::runtime::events::{Event as Happening, EventType, Recorder};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt as _, watcher as watch_objects};
use kube::{Api, Client, Resource};
use sallyport_admission::GroupVersionKind;
use sallyport_admission::registration::Served;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::certificates::Secrets;
use super::lease::Held;
use super::policies::Policies;
use super::registration::{Target, Terms, configurations, is_as};
use super::{NAME, pause, status};
use crate::gate::unix_seconds;

/// Whom the API server is to trust.
#[derive(Clone, Debug)]
pub(crate) enum Trust {
    /// The authorities that Sallyport makes.
    Kept(Box<Secrets>),
    /// Those in this file.
    File(std::path::PathBuf),
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
    /// The ClusterRole with which the configurations are to be removed.
    pub(crate) owner: Option<String>,
}

/// What is kept from one pass to the next.
#[derive(Default)]
struct Memory {
    /// The authorities that stand in both configurations.
    published: Option<String>,
    served: Option<(Instant, Vec<Served>)>,
    /// What each group and version was last known to serve.
    known: Known,
    paused: bool,
}

/// Between two passes.
const LEAST: Duration = Duration::from_millis(200);
/// A pass is made again after so long, whatever happens.
const AGAIN: Duration = Duration::from_secs(60);
/// What takes longer than this hangs.
const LONGEST: Duration = Duration::from_secs(60);
/// And so long after one that failed.
const AGAIN_AFTER_FAILURE: Duration = Duration::from_secs(2);
/// How long what the API server serves is taken to stay the same.
const DISCOVERED_FOR: Duration = Duration::from_secs(60);

impl Leader {
    /// Leads for as long as this replica holds the Lease, and again when it does again.
    pub(crate) async fn run(self, mut held: Held) {
        loop {
            if held.wait_for(|held| *held).await.is_err() {
                return;
            }
            tokio::select! {
                () = self.lead() => {}
                lost = held.wait_for(|held| !*held) => {
                    if lost.is_err() {
                        return;
                    }
                }
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
        let mut paused = pin!(changes(leases, NAME, pause::paused_until));
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
        let (bundle, renewal) = match self.trusted(memory).await {
            Ok((bundle, due)) => (bundle, Ok(due)),
            Err(error) => (memory.published.clone(), Err(error)),
        };
        let is_known = bundle.is_some() || matches!(self.trust, Trust::CertManager(_));
        let registered = match is_known {
            true => self.register_unless_paused(bundle, memory, now).await,
            false => Ok(i64::MAX),
        };
        let told = status::tell(&self.client, &self.recorder, &self.policies, now).await;
        Ok(renewal?.min(registered?).min(told.map(|()| i64::MAX)?))
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
        memory: &mut Memory,
        now: i64,
    ) -> anyhow::Result<i64> {
        if let Some(until) = self.paused_until().await?.filter(|until| *until > now) {
            if !std::mem::replace(&mut memory.paused, true) {
                tracing::warn!(until, "paused: nothing is registered until then, in Unix seconds");
            }
            // What was there before the pause, or was made just as it began.
            pause::unregister(&self.client).await?;
            return Ok(until);
        }
        if std::mem::take(&mut memory.paused) {
            tracing::info!("the pause is over");
        }
        self.register(bundle.as_deref(), memory).await?;
        if let (Trust::Kept(secrets), true) = (&self.trust, memory.published != bundle) {
            memory.published = bundle;
            // An authority that is published now is on its way to be used.
            return Ok(secrets.tend(memory.published.as_deref()).await?.due);
        }
        Ok(i64::MAX)
    }

    async fn paused_until(&self) -> anyhow::Result<Option<i64>> {
        let leases: Api<Lease> = Api::namespaced(self.client.clone(), &self.namespace);
        let lease = leases.get_opt(NAME).await.context("the Lease can't be read")?;
        Ok(lease.and_then(|lease| pause::paused_until(&lease.metadata)))
    }

    /// Has the API server ask about what the policies in force are about.
    async fn register(&self, bundle: Option<&str>, memory: &mut Memory) -> anyhow::Result<()> {
        let served = self.served(memory).await?;
        let annotations = match &self.trust {
            Trust::CertManager(certificate) => {
                vec![("cert-manager.io/inject-ca-from".to_owned(), certificate.clone())]
            }
            Trust::Kept(_) | Trust::File(_) => Vec::new(),
        };
        let terms = Terms {
            target: self.target.clone(),
            bundle: bundle.map(|bundle| BASE64.encode(bundle)),
            spared: self.spared.clone(),
            timeout_seconds: self.timeout_seconds,
            owner: self.owner().await?,
            annotations,
        };
        let mut kept = Ok(());
        for desired in configurations(&self.policies.current().set, &served, &terms) {
            // What is wrong with one keeps the other from nothing.
            kept = kept.and(self.keep(&desired).await);
        }
        kept?;
        // A pause that has begun meanwhile is found by the pass that follows: the Lease's annotation changed.
        Ok(())
    }

    /// Has a configuration stand in the cluster as it should.
    async fn keep(&self, desired: &Value) -> anyhow::Result<()> {
        let kind = desired["kind"].as_str().unwrap_or_default();
        let (resource, plural) = match kind {
            "MutatingWebhookConfiguration" => (kind, "mutatingwebhookconfigurations"),
            _ => (kind, "validatingwebhookconfigurations"),
        };
        let resource = ApiResource {
            group: "admissionregistration.k8s.io".to_owned(),
            version: "v1".to_owned(),
            api_version: "admissionregistration.k8s.io/v1".to_owned(),
            kind: resource.to_owned(),
            plural: plural.to_owned(),
        };
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource);
        let live = api.get_opt(NAME).await.with_context(|| format!("{plural} can't be read"))?;
        let mut desired = desired.clone();
        let Some(live) = live else {
            if !self.is_reachable().await? {
                anyhow::bail!("no replica is ready yet behind the Service: nothing is registered before");
            }
            let desired: DynamicObject = serde_json::from_value(desired)?;
            api.create(&PostParams::default(), &desired)
                .await
                .with_context(|| format!("{kind} can't be made"))?;
            tracing::info!(kind, "registered");
            return Ok(());
        };
        let mut live = serde_json::to_value(&live)?;
        if matches!(self.trust, Trust::CertManager(_)) {
            keep_bundles(&live, &mut desired);
        }
        if is_as(&live, &desired) {
            return Ok(());
        }
        live["webhooks"] = desired["webhooks"].take();
        for part in ["labels", "annotations"] {
            if let Some(wanted) = desired["metadata"][part].as_object() {
                for (key, value) in wanted {
                    live["metadata"][part][key] = value.clone();
                }
            }
        }
        if let Some(owners) = desired["metadata"].get("ownerReferences") {
            live["metadata"]["ownerReferences"] = owners.clone();
        }
        let changed: DynamicObject = serde_json::from_value(live)?;
        // With the version that was read: what somebody writes meanwhile is looked at again.
        api.replace(NAME, &PostParams::default(), &changed)
            .await
            .with_context(|| format!("{kind} can't be changed"))?;
        tracing::info!(kind, "the registration was changed");
        let happening = Happening {
            type_: EventType::Normal,
            reason: "Changed".to_owned(),
            note: Some("the registration is as the policies in force ask for again".to_owned()),
            action: "Register".to_owned(),
            secondary: None,
        };
        let about = ObjectReference {
            api_version: Some(resource.api_version),
            kind: Some(resource.kind),
            name: Some(NAME.to_owned()),
            uid: changed.metadata.uid,
            ..ObjectReference::default()
        };
        // One that is lost changes nothing.
        let _ = self.recorder.publish(&happening, &about).await;
        Ok(())
    }

    /// Whether a call would find somebody: a first registration would otherwise refuse what it should decide.
    async fn is_reachable(&self) -> anyhow::Result<bool> {
        let Target::Service { namespace, name, .. } = &self.target else { return Ok(true) };
        let slices: Api<EndpointSlice> = Api::namespaced(self.client.clone(), namespace);
        let of_service = ListParams::default().labels(&format!("kubernetes.io/service-name={name}"));
        let slices = slices.list(&of_service).await.context("EndpointSlices can't be read")?;
        let mut endpoints = slices.items.iter().flat_map(|slice| slice.endpoints.iter().flatten());
        Ok(endpoints.any(|endpoint| {
            endpoint.conditions.as_ref().and_then(|conditions| conditions.ready).unwrap_or(true)
        }))
    }

    async fn owner(&self) -> anyhow::Result<Option<OwnerReference>> {
        use k8s_openapi::api::rbac::v1::ClusterRole;
        let Some(name) = &self.owner else { return Ok(None) };
        let role = Api::<ClusterRole>::all(self.client.clone())
            .get(name)
            .await
            .with_context(|| format!("ClusterRole {name}, the owner of the registration, can't be read"))?;
        Ok(Some(OwnerReference {
            api_version: ClusterRole::api_version(&()).into_owned(),
            kind: ClusterRole::kind(&()).into_owned(),
            name: name.clone(),
            uid: role.metadata.uid.context("a ClusterRole without a uid")?,
            ..OwnerReference::default()
        }))
    }

    /// What the API server serves, asked now and then.
    async fn served(&self, memory: &mut Memory) -> anyhow::Result<Vec<Served>> {
        if let Some((since, served)) = &memory.served
            && since.elapsed() < DISCOVERED_FOR
        {
            return Ok(served.clone());
        }
        let served = discover(&self.client, &mut memory.known)
            .await
            .context("what the API server serves can't be read")?;
        memory.served = Some((Instant::now(), served.clone()));
        Ok(served)
    }
}

/// The bundle that somebody else filled in stays.
fn keep_bundles(live: &Value, desired: &mut Value) {
    let known = live["webhooks"].as_array().into_iter().flatten();
    // All have one authority: an entry that is new need not wait for its own.
    let Some(bundle) = known.filter_map(|known| known["clientConfig"].get("caBundle")).next() else { return };
    for webhook in desired["webhooks"].as_array_mut().into_iter().flatten() {
        webhook["clientConfig"]["caBundle"] = bundle.clone();
    }
}

/// What tells each state of an object from the others.
pub(super) fn version(metadata: &ObjectMeta) -> Option<String> {
    metadata.resource_version.clone()
}

/// Something happens to the object of this name, as far as `part` of its metadata tells.
pub(super) fn changes<K, T>(
    api: Api<PartialObjectMeta<K>>,
    name: &str,
    part: impl Fn(&ObjectMeta) -> T + Send,
) -> impl Stream<Item = ()> + Send
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + DeserializeOwned + Send + 'static,
    T: PartialEq + Send,
{
    let ours = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let mut last = None;
    watch_objects(api, ours).default_backoff().filter_map(move |event| {
        let is_change = match event {
            Ok(Event::Apply(object) | Event::InitApply(object)) => {
                let now = Some(part(&object.metadata));
                let is_change = now != last;
                last = now;
                is_change
            }
            Ok(Event::Delete(_)) => true,
            Ok(Event::Init | Event::InitDone) => false,
            Err(error) => {
                tracing::debug!(%error, "a watch of the leader's failed");
                false
            }
        };
        std::future::ready(is_change.then_some(()))
    })
}

/// What each group and version serves.
pub(super) type Known = BTreeMap<String, APIResourceList>;

/// All resources of all groups and versions, each once. Of an API whose server is away, what it was last known to serve.
pub(super) async fn discover(client: &Client, known: &mut Known) -> kube::Result<Vec<Served>> {
    let mut lists = Vec::new();
    for version in client.list_core_api_versions().await?.versions {
        lists.push(client.list_core_api_resources(&version).await?);
    }
    for group in client.list_api_groups().await?.groups {
        // The preferred version comes first.
        for version in group.versions {
            match client.list_api_group_resources(&version.group_version).await {
                Ok(list) => {
                    known.insert(version.group_version, list.clone());
                    lists.push(list);
                }
                // An aggregated API whose server is away must not hold up all others.
                Err(error) => {
                    tracing::warn!(api = version.group_version, %error, "what it serves can't be read");
                    lists.extend(known.get(&version.group_version).cloned());
                }
            }
        }
    }
    let mut seen = BTreeSet::new();
    let mut served: Vec<Served> = lists.iter().flat_map(of_list).collect();
    served.retain(|one| seen.insert((one.group.clone(), one.resource.clone())));
    Ok(served)
}

fn of_list(list: &APIResourceList) -> impl Iterator<Item = Served> {
    let (group, version) = list.group_version.rsplit_once('/').unwrap_or(("", &list.group_version));
    list.resources.iter().map(move |resource| {
        let or = |own: &Option<String>, other: &str| {
            own.clone().filter(|own| !own.is_empty()).unwrap_or_else(|| other.to_owned())
        };
        Served {
            group: group.to_owned(),
            resource: resource.name.clone(),
            kind: GroupVersionKind {
                group: or(&resource.group, group),
                version: or(&resource.version, version),
                kind: resource.kind.clone(),
            },
            verbs: resource.verbs.clone(),
        }
    })
}
