//! The policies in force: an immutable set behind an atomic pointer, made anew when a file changes.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use sallyport_admission::{MeshImage, Policy, PolicySet};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::load::{Loaded, load};
use crate::source::{Document, Located, ReadError, read};

/// What the operator says of every set, beside the files.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// A mesh's own images, where they are others than published: see [`PolicySet::trusting_mesh_images`].
    pub mesh_images: Vec<MeshImage>,
    /// Further namespaces that no policy reaches: see [`PolicySet::sparing`].
    pub spared: Vec<String>,
}

impl Settings {
    fn apply(&self, set: PolicySet) -> PolicySet {
        let set = set.trusting_mesh_images(self.mesh_images.clone());
        self.spared.iter().fold(set, PolicySet::sparing)
    }
}

/// Policies from folders, followed as they change. What is wrong never replaces what was right.
#[derive(Debug)]
pub struct Store {
    inputs: Vec<PathBuf>,
    settings: Settings,
    current: ArcSwap<Loaded>,
    /// Of what was read last, right or wrong: files that say what they said are not told of again.
    fingerprint: AtomicU64,
    metrics: StoreMetrics,
}

#[derive(Debug, Default)]
struct StoreMetrics {
    policies: Gauge,
    in_force: Gauge,
    reloads: Counter,
    refused: Counter,
}

/// Editors and kubelets write several files at once; what follows within this time belongs together.
const SETTLE: Duration = Duration::from_millis(100);
/// A folder that is replaced takes its watch with it, and a link that is turned to another folder tells nobody.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

impl Store {
    /// Loads the policies of these files and folders.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn open(inputs: Vec<PathBuf>, settings: Settings) -> Result<Self, Vec<Located>> {
        let (documents, errors) = read(&inputs);
        let fingerprint = fingerprint(&documents, &errors);
        let mut loaded = load(documents, &errors);
        loaded.set = settings.apply(loaded.set);
        if loaded.has_errors() {
            return Err(loaded.findings);
        }
        let metrics = StoreMetrics::default();
        metrics.show(&loaded);
        let fingerprint = AtomicU64::new(fingerprint);
        Ok(Self { inputs, settings, current: ArcSwap::from_pointee(loaded), fingerprint, metrics })
    }

    /// The policies in force.
    #[must_use]
    pub fn current(&self) -> Arc<Loaded> {
        self.current.load_full()
    }

    /// Loads the policies anew, if the files say anything new; the set in force stays where anything is wrong, and all
    /// findings are given.
    fn reload(&self) -> Option<Result<Arc<Loaded>, Vec<Located>>> {
        let (documents, errors) = read(&self.inputs);
        let fingerprint = fingerprint(&documents, &errors);
        if self.fingerprint.swap(fingerprint, Ordering::Relaxed) == fingerprint {
            return None;
        }
        let mut loaded = load(documents, &errors);
        loaded.set = self.settings.apply(loaded.set);
        let before = self.current();
        if loaded.set.policies().is_empty() && !before.set.policies().is_empty() {
            // A file that was emptied by a full disk looks like this, and a folder whose mount failed.
            loaded.findings.push(Located::of_inputs(
                &self.inputs,
                "no policy is left; to end them all, stop the program",
            ));
        }
        if loaded.has_errors() {
            self.metrics.refused.inc();
            self.metrics.in_force.set(0);
            return Some(Err(loaded.findings));
        }
        for policy in before.set.policies().iter().map(Policy::name) {
            if !loaded.documents.contains_key(policy) {
                tracing::warn!(policy, "a policy is gone, and no longer in force");
            }
        }
        self.metrics.reloads.inc();
        self.metrics.show(&loaded);
        self.current.store(Arc::new(loaded));
        Some(Ok(self.current()))
    }

    /// Adds the store's metrics to a registry.
    pub fn register(&self, registry: &mut Registry) {
        let StoreMetrics { policies, in_force, reloads, refused } = &self.metrics;
        registry.register("policies", "Policies in force", policies.clone());
        registry.register(
            "policies_current",
            "1 where the files as they stand are in force, 0 where they are wrong and an earlier set is",
            in_force.clone(),
        );
        registry.register("policy_reloads", "Times that changed files came into force", reloads.clone());
        registry.register("policy_reloads_refused", "Times that changed files were wrong", refused.clone());
    }

    /// Follows the files until the future is dropped: at once where the system tells of a change, and by looking
    /// again every [`LOOK_AGAIN`] for what it does not tell of.
    pub async fn follow(self: Arc<Self>) {
        let (changed, mut changes) = mpsc::channel::<()>(1);
        // Held while it is needed; without it, looking again is all there is.
        let _watcher = self.watch(changed.clone()).inspect_err(|error| {
            tracing::warn!(%error, "changes are noticed only every {} s", LOOK_AGAIN.as_secs());
        });
        // What changed between loading and watching.
        self.reload_apart().await;
        tracing::info!("following the policies' files");
        loop {
            if timeout(LOOK_AGAIN, changes.recv()).await.is_ok() {
                tokio::time::sleep(SETTLE).await;
                while changes.try_recv().is_ok() {}
            }
            self.reload_apart().await;
        }
    }

    fn watch(&self, changed: mpsc::Sender<()>) -> notify::Result<RecommendedWatcher> {
        // One message is enough, however many events there are: a full channel says it already.
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| !event.kind.is_access()) {
                changed.try_send(()).ok();
            }
        })?;
        for input in &self.inputs {
            // An editor replaces a file, so a watch on the file itself would end: its folder is watched, and of that
            // nothing below it.
            let (watched, depth) = if input.is_dir() {
                (input.as_path(), RecursiveMode::Recursive)
            } else {
                (parent(input), RecursiveMode::NonRecursive)
            };
            watcher.watch(watched, depth)?;
        }
        Ok(watcher)
    }

    /// Reloads on a thread of its own: files are read and compiled there, and calls are answered meanwhile.
    async fn reload_apart(self: &Arc<Self>) {
        let store = Arc::clone(self);
        if let Err(error) = tokio::task::spawn_blocking(move || store.reload_and_tell()).await {
            tracing::error!(%error, "reloading the policies failed; the last good ones stay in force");
        }
    }

    fn reload_and_tell(&self) {
        match self.reload() {
            None => {}
            Some(Ok(loaded)) => {
                let policies = loaded.set.policies().len();
                tracing::info!(policies, digest = &*loaded.digest, "policies are in force");
            }
            Some(Err(findings)) => {
                for located in findings {
                    tracing::error!(finding = %located, "policies are wrong");
                }
                tracing::error!(
                    policies = self.current().set.policies().len(),
                    "the last good policies stay in force until the files are right"
                );
            }
        }
    }
}

/// What the files say, in a number.
fn fingerprint(documents: &[Document], errors: &[ReadError]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for document in documents {
        (document.origin.name(), document.index, document.value.to_string()).hash(&mut hasher);
    }
    for error in errors {
        error.to_string().hash(&mut hasher);
    }
    hasher.finish()
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

impl StoreMetrics {
    fn show(&self, loaded: &Loaded) {
        self.policies.set(i64::try_from(loaded.set.policies().len()).unwrap_or(i64::MAX));
        self.in_force.set(1);
    }
}
