//! The objects that attach policies, as the cluster has them.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;

use anyhow::Context as _;
use futures_util::StreamExt as _;
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, ListParams, PartialObjectMeta, PostParams, Preconditions,
};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, ResourceExt as _};
use sallyport_attach::mesh::{MANAGED_BY, PREFIX, Resource};
use serde_json::Value;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::cluster::mirror::Key;

/// Objects that are asked for at a time.
const PAGE: u32 = 500;

/// Where an object stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) resource: Resource,
    pub(super) key: Key,
}

impl Place {
    /// Where this one is to stand.
    pub(super) fn of(object: &Value) -> Option<Self> {
        let resource = Resource::ALL.into_iter().find(|resource| object["kind"] == resource.kind())?;
        let text = |field: &str| object["metadata"][field].as_str().map(str::to_owned);
        Some(Self { resource, key: Key { namespace: text("namespace")?, name: text("name")? } })
    }
}

/// An object as it stands.
#[derive(Clone, Debug)]
pub(super) struct Live(Value);

impl Live {
    /// The policy that it attaches.
    pub(super) fn policy(&self, namespace: &str) -> Option<Key> {
        let owner = &self.0["metadata"]["ownerReferences"][0];
        let name = owner["name"].as_str().filter(|_| owner["kind"] == "TrafficPolicy")?;
        Some(Key { namespace: namespace.to_owned(), name: name.to_owned() })
    }

    /// Whether it says what it should.
    pub(super) fn is_as(&self, wanted: &Value) -> bool {
        let (live, wanted) = (&self.0, wanted);
        let labels = wanted["metadata"]["labels"].as_object();
        live["spec"] == wanted["spec"]
            && live["metadata"]["ownerReferences"] == wanted["metadata"]["ownerReferences"]
            && labels.into_iter().flatten().all(|(key, value)| live["metadata"]["labels"][key] == *value)
    }
}

fn api_resource(resource: Resource) -> ApiResource {
    let (group, version) = resource.api_version().split_once('/').unwrap_or_default();
    ApiResource {
        group: group.to_owned(),
        version: version.to_owned(),
        api_version: resource.api_version().to_owned(),
        kind: resource.kind().to_owned(),
        plural: resource.plural().to_owned(),
    }
}

fn selector() -> String {
    format!("{}={}", MANAGED_BY.0, MANAGED_BY.1)
}

/// All that attach policies.
pub(super) async fn list(
    client: &Client,
    resources: &BTreeSet<Resource>,
) -> anyhow::Result<BTreeMap<Place, Live>> {
    let mut found = BTreeMap::new();
    for resource in resources {
        let api: Api<DynamicObject> = Api::all_with(client.clone(), &api_resource(*resource));
        let mut how = ListParams::default().labels(&selector()).limit(PAGE);
        loop {
            let page = api.list(&how).await;
            let page = page.with_context(|| format!("{} can't be read", resource.plural()))?;
            for object in page.items.into_iter().filter(|object| object.name_any().starts_with(PREFIX)) {
                let key = Key { namespace: object.namespace().unwrap_or_default(), name: object.name_any() };
                found.insert(Place { resource: *resource, key }, Live(serde_json::to_value(object)?));
            }
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => how = how.continue_token(&token),
                None => break,
            }
        }
    }
    Ok(found)
}

/// The digests of the modules that they name.
pub(super) fn digests(live: &BTreeMap<Place, Live>) -> BTreeSet<String> {
    fn find(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("sha256").and_then(Value::as_str).map(str::to_owned));
                fields.values().for_each(|field| find(field, found));
            }
            Value::Array(items) => items.iter().for_each(|item| find(item, found)),
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    live.values().for_each(|live| find(&live.0["spec"], &mut found));
    found
}

/// Has an object stand as it should. It is replaced whole: what others added to it would change what
/// proxies do.
pub(super) async fn put(
    client: &Client,
    place: &Place,
    wanted: &Value,
    live: Option<&Live>,
) -> anyhow::Result<()> {
    let resource = api_resource(place.resource);
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &place.key.namespace, &resource);
    let params =
        PostParams { field_manager: Some(crate::cluster::FIELD_MANAGER.to_owned()), ..PostParams::default() };
    match live {
        Some(live) => {
            let mut object = wanted.clone();
            // What was changed meanwhile is looked at again.
            object["metadata"]["resourceVersion"] = live.0["metadata"]["resourceVersion"].clone();
            let object: DynamicObject = serde_json::from_value(object)?;
            api.replace(&place.key.name, &params, &object).await
        }
        None => match api.create(&params, &serde_json::from_value(wanted.clone())?).await {
            // Somebody made one of that name, or took its label away.
            Err(kube::Error::Api(status)) if status.code == 409 => {
                let mut object = wanted.clone();
                object["metadata"]["resourceVersion"] =
                    api.get(&place.key.name).await?.resource_version().into();
                api.replace(&place.key.name, &params, &serde_json::from_value(object)?).await
            }
            created => created,
        },
    }
    .map(drop)
    .with_context(|| format!("{} {}", resource.kind, place.key.name))
}

/// Whether it is the object that is not taken, and not a matter of when.
pub(super) fn is_refusal(error: &anyhow::Error) -> bool {
    match error.downcast_ref::<kube::Error>() {
        Some(kube::Error::Api(status)) => [400, 403, 413, 422].contains(&status.code),
        _ => false,
    }
}

/// Takes an object away, unless it is another by now.
pub(super) async fn remove(client: &Client, place: &Place, live: &Live) -> anyhow::Result<()> {
    let resource = api_resource(place.resource);
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &place.key.namespace, &resource);
    let same = Preconditions {
        uid: live.0["metadata"]["uid"].as_str().map(str::to_owned),
        ..Preconditions::default()
    };
    let params = DeleteParams { preconditions: Some(same), ..DeleteParams::default() };
    match api.delete(&place.key.name, &params).await {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        other => {
            other.map(drop).with_context(|| format!("{} {} can't be removed", resource.kind, place.key.name))
        }
    }
}

/// Watches of the objects, so that what somebody changes is put right.
#[derive(Debug, Default)]
pub(in crate::cluster) struct Watches {
    tasks: BTreeMap<Resource, Task>,
    /// Told of each change.
    pub(in crate::cluster) changed: Arc<Notify>,
}

/// Ended with whoever holds it.
#[derive(Debug)]
struct Task(AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Watches {
    /// Watches these.
    pub(super) fn keep(&mut self, client: &Client, resources: &BTreeSet<Resource>) {
        self.tasks.retain(|resource, _| resources.contains(resource));
        for resource in resources {
            self.tasks.entry(*resource).or_insert_with(|| {
                let api = Api::all_with(client.clone(), &api_resource(*resource));
                Task(tokio::spawn(watch(api, Arc::clone(&self.changed))).abort_handle())
            });
        }
    }
}

async fn watch(api: Api<PartialObjectMeta<DynamicObject>>, changed: Arc<Notify>) {
    let ours = watcher::Config::default().labels(&selector());
    let mut events = pin!(watcher::watcher(api, ours).default_backoff());
    while let Some(event) = events.next().await {
        if let Ok(Event::Apply(_) | Event::Delete(_) | Event::InitDone) = event {
            changed.notify_one();
        }
    }
}
