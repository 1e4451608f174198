//! The modules that proxies get from replicas.
//!
//! A proxy that is told of a module must get it from whichever replica it asks, before and after an upgrade: one that can't
//! be had refuses every request there. So the leader puts its own into a ConfigMap before it tells anybody of it, where all
//! replicas find those that are not their own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;
use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, ListParams, ObjectMeta, PostParams};
use kube::{Api, Client, ResourceExt as _};
use tokio::sync::Semaphore;

use crate::filter::Module;
use crate::server::{ModuleFailure, Modules as ServedModules};

/// What a ConfigMap with a module is known by; its value says nothing.
const LABEL: &str = "sallyport.dev/filter";
/// The annotation with the module's digest: it is too long for a label.
const DIGEST: &str = "sallyport.dev/sha256";
/// The key of the module.
const KEY: &str = "sallyport_filter.wasm";
/// So many modules are kept that nobody needs any longer, for whoever goes back to what was before.
const KEPT: usize = 3;
/// The API server is asked for so many at a time.
const ASKED_AT_ONCE: usize = 4;

/// The modules that a replica has, and can get.
pub(crate) struct Modules {
    client: Client,
    namespace: String,
    own: Module,
    /// Of others.
    known: Mutex<BTreeMap<String, Bytes>>,
    asking: Semaphore,
}

impl Modules {
    /// Those of the ConfigMaps in this namespace, and the program's own.
    pub(crate) fn new(client: Client, namespace: &str, own: Module) -> Self {
        Self {
            client,
            namespace: namespace.to_owned(),
            own,
            known: Mutex::default(),
            asking: Semaphore::new(ASKED_AT_ONCE),
        }
    }

    /// The digest of the program's own.
    pub(super) fn digest(&self) -> &str {
        self.own.digest()
    }

    fn api(&self) -> Api<ConfigMap> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    async fn find(&self, digest: &str) -> Result<Option<Bytes>, ModuleFailure> {
        if digest == self.own.digest() {
            return Ok(Some(self.own.bytes().clone()));
        }
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(digest).cloned();
        if known.is_some() {
            return Ok(known);
        }
        // Anybody may ask for anything: few may ask the API server at a time.
        let _one = self.asking.acquire().await.map_err(|_| ModuleFailure)?;
        let found = self.api().get_opt(&name(digest)).await.map_err(|error| {
            tracing::warn!(digest, %error, "a filter can't be read");
            ModuleFailure
        })?;
        let bytes = found.and_then(|found| found.binary_data?.remove(KEY)).map(|found| Bytes::from(found.0));
        // Whoever can write there gives proxies nothing else than they are told of.
        let module = bytes.map(Module::of).filter(|module| module.digest() == digest);
        let bytes = module.map(|module| module.bytes().clone());
        if let Some(bytes) = &bytes {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.insert(digest.to_owned(), bytes.clone());
        }
        Ok(bytes)
    }

    /// Has every replica find the program's own, and those `in_use`; removes others but the last few.
    pub(super) async fn keep(&self, in_use: &BTreeSet<String>) -> anyhow::Result<()> {
        let api = self.api();
        let all = api.list_metadata(&ListParams::default().labels(LABEL)).await;
        let mut all = all.context("the ConfigMaps with filters can't be read")?.items;
        let digest =
            |object: &kube::api::PartialObjectMeta<ConfigMap>| object.annotations().get(DIGEST).cloned();
        if !all.iter().any(|object| object.name_any() == name(self.own.digest())) {
            let made = api.create(&PostParams::default(), &config_map(&self.own)).await;
            match made {
                Ok(_) => tracing::info!(digest = self.own.digest(), "the filter is there for every replica"),
                Err(kube::Error::Api(status)) if status.code == 409 => {}
                Err(error) => return Err(error).context("the ConfigMap with the filter can't be made"),
            }
        }
        all.retain(|object| {
            digest(object).is_none_or(|digest| digest != self.own.digest() && !in_use.contains(&digest))
        });
        all.sort_by_key(|object| std::cmp::Reverse(object.creation_timestamp()));
        for old in all.iter().skip(KEPT) {
            let removed = api.delete(&old.name_any(), &DeleteParams::default()).await;
            removed.with_context(|| format!("ConfigMap {} can't be removed", old.name_any()))?;
        }
        Ok(())
    }
}

impl ServedModules for Modules {
    fn get<'m>(&'m self, digest: &'m str) -> BoxFuture<'m, Result<Option<Bytes>, ModuleFailure>> {
        self.find(digest).boxed()
    }
}

/// What the ConfigMap is called.
fn name(digest: &str) -> String {
    format!("sallyport-filter-{}", digest.get(..16).unwrap_or(digest))
}

fn config_map(module: &Module) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(name(module.digest())),
            labels: Some(BTreeMap::from([(LABEL.to_owned(), String::new())])),
            annotations: Some(BTreeMap::from([(DIGEST.to_owned(), module.digest().to_owned())])),
            ..ObjectMeta::default()
        },
        binary_data: Some(BTreeMap::from([(KEY.to_owned(), ByteString(module.bytes().to_vec()))])),
        immutable: Some(true),
        ..ConfigMap::default()
    }
}
