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
use tokio::sync::mpsc;

use super::load::{Loaded, load};
use crate::source::{Document, Located, ReadError, read};

/// Policies from folders, followed as they change. What is wrong never replaces what was right.
#[derive(Debug)]
pub struct Store {
    inputs: Vec<PathBuf>,
    current: ArcSwap<Loaded>,
    /// Of what was read last, right or wrong: files that say what they said are not told of again.
    fingerprint: AtomicU64,
    metrics: StoreMetrics,
}

/// Why there is no store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Something is wrong with the policies, and there are none from before.
    #[error("the policies are not right")]
    Wrong(Vec<Located>),
    /// The folders can't be watched.
    #[error("cannot watch {}: {source}", path.display())]
    Watch {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: notify::Error,
    },
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

impl Store {
    /// Loads the policies of these files and folders.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn open(inputs: Vec<PathBuf>) -> Result<Self, StoreError> {
        let (documents, errors) = read(&inputs);
        let fingerprint = fingerprint(&documents, &errors);
        let loaded = load(documents, &errors);
        if loaded.has_errors() {
            return Err(StoreError::Wrong(loaded.findings));
        }
        let metrics = StoreMetrics::default();
        metrics.show(&loaded);
        let fingerprint = AtomicU64::new(fingerprint);
        Ok(Self { inputs, current: ArcSwap::from_pointee(loaded), fingerprint, metrics })
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
        let loaded = load(documents, &errors);
        if loaded.has_errors() {
            self.metrics.refused.inc();
            self.metrics.in_force.set(0);
            return Some(Err(loaded.findings));
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

    /// Follows the files until the future is dropped.
    ///
    /// # Errors
    /// When they can't be watched.
    pub async fn follow(self: Arc<Self>) -> Result<(), StoreError> {
        let (changed, mut changes) = mpsc::channel::<()>(1);
        // One message is enough, however many events there are: a full channel says it already.
        let notice = move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| !event.kind.is_access()) {
                changed.try_send(()).ok();
            }
        };
        let wrong = |path: &Path, source| StoreError::Watch { path: path.to_owned(), source };
        let mut watcher: RecommendedWatcher =
            notify::recommended_watcher(notice).map_err(|source| wrong(Path::new("."), source))?;
        for input in &self.inputs {
            // An editor replaces a file, so a watch on the file itself would end: its folder is watched, and of that
            // nothing below it.
            let (watched, depth) = if input.is_dir() {
                (input.as_path(), RecursiveMode::Recursive)
            } else {
                (parent(input), RecursiveMode::NonRecursive)
            };
            watcher.watch(watched, depth).map_err(|source| wrong(watched, source))?;
        }
        // What changed between loading and watching.
        self.reload_apart().await;
        tracing::info!("following the policies' files");
        while changes.recv().await.is_some() {
            tokio::time::sleep(SETTLE).await;
            while changes.try_recv().is_ok() {}
            self.reload_apart().await;
        }
        Ok(())
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
                tracing::info!(policies = loaded.set.policies().len(), "policies are in force");
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
