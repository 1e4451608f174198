//! Policies in force: what decisions need of those that were loaded, and no more.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use sallyport_admission::{Namespace, PolicySet};

use super::loaded::Loaded;

/// Policies that are decided by.
#[derive(Clone, Debug, Default)]
pub struct InForce {
    /// The policies.
    pub set: Arc<PolicySet>,
    /// What they are named by, in logs: `sha256:…`.
    pub digest: Arc<str>,
    /// The files that they stand in.
    pub files: HashSet<String>,
    /// What is known of namespaces.
    pub(crate) namespaces: Arc<BTreeMap<String, Arc<Namespace>>>,
}

impl From<Loaded> for InForce {
    fn from(loaded: Loaded) -> Self {
        let namespaces = loaded.namespaces.into_iter().map(|(name, namespace)| (name, Arc::new(namespace)));
        Self {
            set: Arc::new(loaded.set),
            digest: loaded.digest,
            files: loaded.files,
            namespaces: Arc::new(namespaces.collect()),
        }
    }
}

impl InForce {
    /// What is known of a namespace.
    #[must_use]
    pub fn namespace(&self, name: &str) -> Option<&Namespace> {
        self.namespaces.get(name).map(|namespace| &**namespace)
    }
}
