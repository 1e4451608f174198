//! The policies in force, as the API server has them.
//!
//! One task follows the three kinds of policies and the namespaces. What did not change is not compiled again. A policy
//! that is wrong takes nothing from others; where it was right before, what it said then stays in force, and its status
//! says so.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::{Stream, StreamExt as _};
use k8s_openapi::api::core::v1::Namespace as ApiNamespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{ApiResource, DynamicObject, PartialObjectMeta};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt as _, watcher as watch_objects};
use kube::{Api, Client, ResourceExt as _};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use sallyport_admission::{Namespace, PolicySet};
use sallyport_policy::{GROUP, VERSION, check_dns_label};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::mirror::{Key, Mirror};
use crate::policies::{Digest, Hash, InForce, One, Said, Settings, compile_one};

/// What changes within this time comes into force together.
const SETTLE: Duration = Duration::from_millis(20);
/// As many namespaces are asked for at a time.
const ASKED_AT_ONCE: usize = 16;
/// How long a namespace is known that was asked for: a watch tells of it much sooner.
const LEARNED_FOR: Duration = Duration::from_secs(60);

/// A kind of policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Kind {
    WorkloadPolicy,
    PolicyException,
    TrafficPolicy,
}

impl Kind {
    /// How the API server knows it.
    pub(super) fn resource(self) -> ApiResource {
        let (kind, plural) = match self {
            Self::WorkloadPolicy => ("WorkloadPolicy", "workloadpolicies"),
            Self::PolicyException => ("PolicyException", "policyexceptions"),
            Self::TrafficPolicy => ("TrafficPolicy", "trafficpolicies"),
        };
        ApiResource {
            group: GROUP.to_owned(),
            version: VERSION.to_owned(),
            api_version: format!("{GROUP}/{VERSION}"),
            kind: kind.to_owned(),
            plural: plural.to_owned(),
        }
    }
}

/// A policy, and what has become of it.
#[derive(Clone, Debug)]
pub(super) struct Followed {
    /// When it was made, in Unix seconds.
    pub(super) created: Option<i64>,
    pub(super) generation: Option<i64>,
    pub(super) uid: Option<String>,
    /// The object as it was last seen said this.
    pub(super) latest: One,
    /// What is in force of it: what it says, or where that is wrong, what it said before.
    pub(super) in_force: Option<Current>,
    /// Its `status`.
    pub(super) status: serde_json::Value,
}

/// What is in force of a policy.
#[derive(Clone, Debug)]
pub(super) struct Current {
    pub(super) said: Said,
    /// The generation that said so.
    pub(super) generation: Option<i64>,
    hash: Hash,
}

/// Everything that is followed, as it was at one time.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) policies: BTreeMap<(Kind, Key), Arc<Followed>>,
}

/// The policies in force.
pub(crate) struct Policies {
    client: Client,
    settings: Settings,
    current: ArcSwap<InForce>,
    /// Namespaces that were asked for before a watch told of them, and since when. Whoever writes `current` holds it, so
    /// that none is lost between.
    learned: Mutex<BTreeMap<String, (Instant, Arc<Namespace>)>>,
    /// How many namespaces are asked for at a time.
    asking: Semaphore,
    seen: watch::Sender<Arc<Seen>>,
    is_read: watch::Sender<bool>,
    metrics: Metrics,
}

#[derive(Debug, Default)]
struct Metrics {
    policies: Gauge,
    wrong: Gauge,
    namespaces: Gauge,
    synced: Gauge,
}

#[derive(Default)]
struct Mirrors {
    policies: BTreeMap<Kind, Mirror<Arc<Followed>>>,
    namespaces: Mirror<Arc<Namespace>>,
    policies_changed: bool,
    /// As when one of ours was written, which changes nothing that is in force.
    statuses_changed: bool,
    namespaces_changed: bool,
    /// The kinds whose changes are not heard of at the moment; none for namespaces.
    unheard: BTreeSet<Option<Kind>>,
}

pub(super) const KINDS: [Kind; 3] = [Kind::WorkloadPolicy, Kind::PolicyException, Kind::TrafficPolicy];

impl Policies {
    /// Those of this cluster, of which none are known yet: see [`follow`](Self::follow).
    pub(crate) fn new(client: Client, settings: Settings) -> Self {
        Self {
            client,
            settings,
            current: ArcSwap::default(),
            learned: Mutex::default(),
            asking: Semaphore::new(ASKED_AT_ONCE),
            seen: watch::Sender::new(Arc::default()),
            is_read: watch::Sender::new(false),
            metrics: Metrics::default(),
        }
    }

    /// The policies in force.
    pub(crate) fn current(&self) -> Arc<InForce> {
        self.current.load_full()
    }

    /// What has become of each policy, from now on.
    pub(super) fn seen(&self) -> watch::Receiver<Arc<Seen>> {
        self.seen.subscribe()
    }

    /// Returns once everything was read.
    pub(crate) async fn read(&self) {
        // The sender is `self`, and does not go away.
        let _ = self.is_read.subscribe().wait_for(|is_read| *is_read).await;
    }

    /// Adds its metrics to a registry.
    pub(crate) fn register(&self, registry: &mut Registry) {
        let Metrics { policies, wrong, namespaces, synced } = &self.metrics;
        registry.register("policies", "WorkloadPolicies in force", policies.clone());
        registry.register(
            "policies_wrong",
            "Policies of any kind that are wrong as they stand: they are not in force, or as they were before",
            wrong.clone(),
        );
        registry.register("namespaces", "Namespaces whose labels are known", namespaces.clone());
        registry.register(
            "policies_followed",
            "1 while changes are heard of, 0 while the API server can't be watched",
            synced.clone(),
        );
    }

    /// Follows policies and namespaces until the future is dropped.
    pub(crate) async fn follow(self: Arc<Self>) {
        let objects = |kind: Kind| {
            let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &kind.resource());
            told(kind.resource().plural, watch_objects(api, watcher::Config::default()))
        };
        let namespaces: Api<PartialObjectMeta<ApiNamespace>> = Api::all(self.client.clone());
        let namespaces = told("namespaces".to_owned(), watch_objects(namespaces, watcher::Config::default()));
        let [mut workload, mut exceptions, mut traffic] = KINDS.map(|kind| Box::pin(objects(kind)));
        let mut namespaces = pin!(namespaces);
        let mut mirrors = Mirrors::default();
        let mut due: Option<Instant> = None;
        loop {
            let settled = async {
                match due {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                Some(event) = workload.next() => mirrors.take(Kind::WorkloadPolicy, event),
                Some(event) = exceptions.next() => mirrors.take(Kind::PolicyException, event),
                Some(event) = traffic.next() => mirrors.take(Kind::TrafficPolicy, event),
                Some(event) = namespaces.next() => mirrors.take_namespace(event),
                () = settled => {
                    due = None;
                    self.put_in_force(&mut mirrors);
                }
            }
            self.metrics.synced.set(mirrors.unheard.is_empty().into());
            if due.is_none() && mirrors.is_complete() && mirrors.changed() {
                due = Some(Instant::now() + SETTLE);
            }
        }
    }

    /// Puts in force what is known now.
    fn put_in_force(&self, mirrors: &mut Mirrors) {
        let mut learned = self.learned.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.current();
        let mut next = InForce::clone(&before);
        if std::mem::take(&mut mirrors.namespaces_changed) {
            let all =
                mirrors.namespaces.iter().map(|(key, namespace)| (key.name.clone(), Arc::clone(namespace)));
            let mut namespaces: BTreeMap<String, Arc<Namespace>> = all.collect();
            learned
                .retain(|name, (since, _)| since.elapsed() < LEARNED_FOR && !namespaces.contains_key(name));
            let learned = learned.iter().map(|(name, (_, namespace))| (name.clone(), Arc::clone(namespace)));
            namespaces.extend(learned);
            next.namespaces = Arc::new(namespaces);
        }
        self.metrics.namespaces.set(count(next.namespaces.len()));
        if std::mem::take(&mut mirrors.policies_changed) {
            let all =
                || mirrors.policies.values().flat_map(|mirror| mirror.iter().map(|(_, followed)| followed));
            next.set =
                Arc::new(self.set(all().filter_map(|followed| Some(&followed.in_force.as_ref()?.said))));
            next.digest =
                Digest::of(all().filter_map(|followed| Some(followed.in_force.as_ref()?.hash))).finish();
            self.metrics.policies.set(count(next.set.policies().len()));
            self.metrics.wrong.set(count(all().filter(|followed| followed.latest.said.is_none()).count()));
        }
        if next.digest != before.digest {
            tracing::info!(
                policies = next.set.policies().len(),
                digest = &*next.digest,
                "policies are in force"
            );
        }
        self.current.store(Arc::new(next));
        drop(learned);
        if std::mem::take(&mut mirrors.statuses_changed) {
            let policies = mirrors.policies.iter().flat_map(|(kind, mirror)| {
                mirror.iter().map(|(key, followed)| ((*kind, key.clone()), Arc::clone(followed)))
            });
            self.seen.send_replace(Arc::new(Seen { policies: policies.collect() }));
        }
        self.is_read.send_replace(true);
    }

    fn set<'s>(&self, said: impl Iterator<Item = &'s Said>) -> PolicySet {
        let (mut policies, mut exceptions, mut traffic) = (Vec::new(), Vec::new(), Vec::new());
        for said in said {
            match said {
                Said::Policy(policy) => policies.push(Arc::clone(policy)),
                Said::Exception(exception) => exceptions.push(exception.clone()),
                Said::Traffic { selector, .. } => traffic.push(selector.clone()),
            }
        }
        self.settings.apply(PolicySet::sharing(policies).excepting(exceptions).knowing(traffic))
    }

    /// The namespace of this name, if it is there, asked of the API server where no watch has told of it yet: an object
    /// may come right behind its namespace.
    ///
    /// # Errors
    /// It can't be asked in time.
    async fn ask_for(&self, name: &str, deadline: Instant) -> Result<(), String> {
        if self.current().namespace(name).is_some() {
            return Ok(());
        }
        // Whoever reaches the port writes what he likes.
        check_dns_label(name).map_err(|_| "the request's namespace is no name of one".to_owned())?;
        // Each holds a thread: others must stay to answer.
        let _one = self.asking.try_acquire().map_err(|_| "too many namespaces are asked for".to_owned())?;
        let api: Api<ApiNamespace> = Api::all(self.client.clone());
        let found = timeout_at(deadline, api.get_metadata_opt(name)).await;
        let found = found
            .map_err(|_| format!("the labels of namespace {name} were not read in time"))?
            .map_err(|error| {
                tracing::warn!(namespace = name, %error, "labels can't be read");
                format!("the labels of namespace {name} can't be read")
            })?;
        if let Some(found) = found {
            let found = Arc::new(namespace(name, found.metadata));
            let mut learned = self.learned.lock().unwrap_or_else(PoisonError::into_inner);
            learned.insert(name.to_owned(), (Instant::now(), Arc::clone(&found)));
            self.current.rcu(|current| {
                let mut namespaces = BTreeMap::clone(&current.namespaces);
                namespaces.entry(name.to_owned()).or_insert_with(|| Arc::clone(&found));
                InForce { namespaces: Arc::new(namespaces), ..InForce::clone(current) }
            });
        }
        Ok(())
    }
}

impl fmt::Debug for Policies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policies").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl crate::gate::Policies for Policies {
    fn current(&self) -> Arc<InForce> {
        Self::current(self)
    }

    fn learn(&self, namespace: &str, deadline: std::time::Instant) -> Result<(), String> {
        // Other calls go on meanwhile on other threads.
        tokio::task::block_in_place(|| {
            Handle::current().block_on(self.ask_for(namespace, Instant::from_std(deadline)))
        })
    }
}

impl Mirrors {
    /// Takes in what a watch says of policies.
    fn take(&mut self, kind: Kind, event: watcher::Result<Event<DynamicObject>>) {
        let Ok(event) = self.heard(Some(kind), event) else { return };
        let mirror = self.policies.entry(kind).or_default();
        let mut is_other = true;
        let is_change = mirror.take(event, |_, object, before| {
            let followed = follow_one(kind, object, before.clone());
            is_other = before.is_none_or(|before| {
                before.uid != followed.uid || before.latest.hash != followed.latest.hash
            });
            followed
        });
        self.statuses_changed |= is_change;
        self.policies_changed |= is_change && is_other;
    }

    fn take_namespace(&mut self, event: watcher::Result<Event<PartialObjectMeta<ApiNamespace>>>) {
        let Ok(event) = self.heard(None, event) else { return };
        self.namespaces_changed |= self.namespaces.take(event, |key, object, before| {
            let made = namespace(&key.name, object.metadata);
            before.filter(|before| **before == made).unwrap_or_else(|| Arc::new(made))
        });
    }

    /// Notes whether changes of a kind are heard of. That a watch begins says nothing yet.
    fn heard<K>(
        &mut self,
        kind: Option<Kind>,
        event: watcher::Result<Event<K>>,
    ) -> watcher::Result<Event<K>> {
        match &event {
            Ok(Event::Init) => {}
            Ok(_) => {
                self.unheard.remove(&kind);
            }
            Err(_) => {
                self.unheard.insert(kind);
            }
        }
        event
    }

    fn changed(&self) -> bool {
        self.policies_changed || self.statuses_changed || self.namespaces_changed
    }

    fn is_complete(&self) -> bool {
        self.namespaces.is_complete()
            && KINDS.iter().all(|kind| self.policies.get(kind).is_some_and(Mirror::is_complete))
    }
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A watch whose failures are told of once, and tried again with growing pauses.
fn told<K: Send>(
    plural: String,
    watch: impl Stream<Item = watcher::Result<Event<K>>> + Send,
) -> impl Stream<Item = watcher::Result<Event<K>>> + Send {
    let mut failing = false;
    watch.default_backoff().inspect(move |event| match event {
        Ok(Event::Init) => {}
        Ok(_) if std::mem::take(&mut failing) => tracing::info!(resource = plural, "changes are heard of again"),
        Ok(_) => {}
        // A watch ends now and then, and is begun anew.
        Err(watcher::Error::WatchError(status)) if status.code == 410 => {}
        Err(error) if !std::mem::replace(&mut failing, true) => {
            tracing::error!(resource = plural, %error, "changes are not heard of; what was known stays in force");
        }
        Err(_) => {}
    })
}

fn follow_one(kind: Kind, object: DynamicObject, before: Option<Arc<Followed>>) -> Arc<Followed> {
    let created = object.creation_timestamp().map(|created| created.0.as_second());
    let (generation, uid) = (object.metadata.generation, object.uid());
    let mut value = serde_json::to_value(&object).unwrap_or_default();
    let status = value.as_object_mut().and_then(|value| value.remove("status")).unwrap_or_default();
    // A watch leaves them out of some objects, and what is read needs them.
    value["apiVersion"] = kind.resource().api_version.into();
    value["kind"] = kind.resource().kind.into();
    let before = before.filter(|before| before.uid == uid);
    if let Some(before) = &before
        && before.latest.hash == crate::policies::hash_of(&value)
    {
        return Arc::new(Followed { generation, status, ..Followed::clone(before) });
    }
    let latest = compile_one(&value, created);
    let in_force = match (&latest.said, &before) {
        (Some(said), _) => Some(Current { said: said.clone(), generation, hash: latest.hash }),
        // An exception lets something in: it never outlives its text.
        (None, Some(before)) if kind != Kind::PolicyException => before.in_force.clone(),
        (None, _) => None,
    };
    if latest.said.is_none() {
        let (kind, name) = (kind.resource().kind, object.name_any());
        tracing::error!(
            kind,
            name,
            still_in_force = in_force.is_some(),
            "a policy is wrong: its status says why"
        );
    }
    Arc::new(Followed { created, generation, uid, latest, in_force, status })
}

fn namespace(name: &str, metadata: ObjectMeta) -> Namespace {
    let mut namespace = Namespace::named(name);
    namespace.labels.extend(metadata.labels.unwrap_or_default());
    namespace.terminating = metadata.deletion_timestamp.is_some();
    namespace
}
