//! What the API server has of one kind, followed as it changes.

use std::collections::BTreeMap;

use kube::runtime::watcher::Event;
use kube::{Resource, ResourceExt as _};
use sallyport_traffic::program::PolicyName;

/// An object, among those of its kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    /// Empty for objects without one.
    pub(super) namespace: String,
    pub(super) name: String,
}

impl From<&PolicyName> for Key {
    fn from(name: &PolicyName) -> Self {
        Self { namespace: name.namespace.clone(), name: name.name.clone() }
    }
}

impl Key {
    fn of<K: Resource>(object: &K) -> Self {
        Self { namespace: object.namespace().unwrap_or_default(), name: object.name_any() }
    }
}

/// What is made of each object of a kind.
#[derive(Debug)]
pub(super) struct Mirror<T> {
    entries: BTreeMap<Key, T>,
    /// What is listed anew, after a watch was lost. Until it is whole, what was known holds.
    arriving: Option<BTreeMap<Key, T>>,
    is_complete: bool,
}

impl<T> Default for Mirror<T> {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), arriving: None, is_complete: false }
    }
}

impl<T: Clone> Mirror<T> {
    /// Takes in an event; `make` makes something of an object, and is given what was made of it before. Whether that
    /// changed anything.
    pub(super) fn take<K: Resource>(
        &mut self,
        event: Event<K>,
        make: impl FnOnce(&Key, K, Option<T>) -> T,
    ) -> bool {
        match event {
            Event::Init => {
                self.arriving = Some(BTreeMap::new());
                false
            }
            Event::InitApply(object) => {
                let key = Key::of(&object);
                let made = make(&key, object, self.entries.get(&key).cloned());
                self.arriving.get_or_insert_default().insert(key, made);
                false
            }
            Event::InitDone => {
                self.entries = self.arriving.take().unwrap_or_default();
                self.is_complete = true;
                true
            }
            Event::Apply(object) => {
                let key = Key::of(&object);
                let made = make(&key, object, self.entries.get(&key).cloned());
                self.entries.insert(key, made);
                true
            }
            Event::Delete(object) => self.entries.remove(&Key::of(&object)).is_some(),
        }
    }

    /// Whether everything that the API server has was seen once.
    pub(super) const fn is_complete(&self) -> bool {
        self.is_complete
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Key, &T)> {
        self.entries.iter()
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;

    use super::*;

    fn object(name: &str, version: &str) -> ConfigMap {
        let mut object = ConfigMap::default();
        object.metadata.name = Some(name.to_owned());
        object.metadata.resource_version = Some(version.to_owned());
        object
    }

    fn seen(mirror: &Mirror<String>) -> Vec<String> {
        mirror.iter().map(|(key, made)| format!("{}={made}", key.name)).collect()
    }

    fn take(mirror: &mut Mirror<String>, event: Event<ConfigMap>) -> bool {
        mirror.take(event, |_, object, before| {
            let version = object.resource_version().unwrap_or_default();
            before.map_or(version.clone(), |before| format!("{before},{version}"))
        })
    }

    #[test]
    fn what_is_gone_after_a_lost_watch_is_gone_here_too() {
        let mut mirror = Mirror::default();
        assert!(!take(&mut mirror, Event::Init));
        assert!(!take(&mut mirror, Event::InitApply(object("a", "1"))));
        assert!(!take(&mut mirror, Event::InitApply(object("b", "1"))));
        assert!(!mirror.is_complete());
        assert!(take(&mut mirror, Event::InitDone));
        assert!(mirror.is_complete());
        assert!(take(&mut mirror, Event::Apply(object("b", "2"))));
        assert_eq!(seen(&mirror), ["a=1", "b=1,2"]);
        take(&mut mirror, Event::Init);
        take(&mut mirror, Event::InitApply(object("b", "3")));
        take(&mut mirror, Event::InitApply(object("c", "1")));
        assert_eq!(seen(&mirror), ["a=1", "b=1,2"], "what was known holds until the list is whole");
        take(&mut mirror, Event::InitDone);
        assert_eq!(seen(&mirror), ["b=1,2,3", "c=1"]);
        assert!(take(&mut mirror, Event::Delete(object("c", "1"))));
        assert!(!take(&mut mirror, Event::Delete(object("c", "1"))));
        assert_eq!(seen(&mirror), ["b=1,2,3"]);
    }
}
