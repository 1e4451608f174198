//! Hearing that an object has changed, without its content.

use futures_util::{Stream, StreamExt as _};
use kube::api::{ObjectMeta, PartialObjectMeta};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt as _, watcher as watch_objects};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;

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
    let (mut last, mut is_there) = (None, false);
    watch_objects(api, ours).default_backoff().filter_map(move |event| {
        let is_change = match event {
            Ok(Event::Apply(object) | Event::InitApply(object)) => {
                is_there = true;
                let now = Some(part(&object.metadata));
                let is_change = now != last;
                last = now;
                is_change
            }
            Ok(Event::Delete(_)) => true,
            Ok(Event::Init) => {
                is_there = false;
                false
            }
            // It may have gone while nobody watched.
            Ok(Event::InitDone) => !is_there,
            Err(error) => {
                tracing::debug!(%error, "a watch of the leader's failed");
                false
            }
        };
        std::future::ready(is_change.then_some(()))
    })
}
