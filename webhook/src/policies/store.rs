//! The policies in force: an immutable set behind an atomic pointer, made anew when a file changes.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use sallyport_admission::{MeshImage, PolicySet};
use sallyport_policy::Severity;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::expiry;
use super::in_force::InForce;
use super::load::Loader;
use super::loaded::Loaded;
use super::watch::Watch;
use crate::gate::unix_seconds;
use crate::source::{Located, Unreadable, fingerprint, read_each};

/// What the operator says of every set, beside the files.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// A mesh's own images, where they are others than published: see [`PolicySet::trusting_mesh_images`].
    pub mesh_images: Vec<MeshImage>,
    /// Further namespaces that no policy reaches: see [`PolicySet::sparing`].
    pub spared: Vec<String>,
    /// Whether there may be no policy at all.
    pub none_allowed: bool,
}

impl Settings {
    pub(crate) fn apply(&self, set: PolicySet) -> PolicySet {
        let set = set.trusting_mesh_images(self.mesh_images.clone());
        self.spared.iter().fold(set, PolicySet::sparing)
    }
}

/// Policies from folders, followed as they change. What is wrong never replaces what was right.
#[derive(Debug)]
pub struct Store {
    inputs: Vec<PathBuf>,
    settings: Settings,
    current: ArcSwap<InForce>,
    last: Mutex<LastRead>,
    /// When it was last looked whether exceptions have ended, in Unix seconds.
    looked: AtomicI64,
    metrics: StoreMetrics,
}

/// A store, and what is to be said about the policies that it begins with.
#[derive(Debug)]
pub struct Opened {
    /// The store.
    pub store: Store,
    /// What is doubtful.
    pub findings: Vec<Located>,
    /// As [`Loaded::not_in_force`].
    pub not_in_force: Option<String>,
}

/// What was read last, right or wrong: files that say what they said are not told of again.
#[derive(Debug)]
struct LastRead {
    /// Of the files' text. While it stays the same nothing is parsed, which takes some twenty times its memory.
    fingerprint: u64,
    said: Said,
}

/// What files say, and what was found wrong or doubtful about it.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    digest: Arc<str>,
    findings: Vec<String>,
}

#[derive(Debug, Default)]
struct StoreMetrics {
    policies: Gauge,
    entries: Gauge,
    exceptions: Gauge,
    next_expiry: Gauge<f64, AtomicU64>,
    in_force: Gauge,
    reloads: Counter,
    refused: Counter,
}

/// What is said where files that held policies hold none.
const NONE_LEFT: &str = "no policy is left, which may be a mount that failed; \
    so that a policy refuses nothing, give it mode: Audit; to serve without policies, start with --allow-no-policies";

/// Editors and kubelets write several files at once; what follows within this time belongs together.
const SETTLE: Duration = Duration::from_millis(100);
/// A link that is turned to another folder tells nobody, and exceptions end without a change.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

impl crate::gate::Policies for Store {
    fn current(&self) -> Arc<InForce> {
        Self::current(self)
    }
}

impl Store {
    /// Loads the policies of these files and folders.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn open(inputs: Vec<PathBuf>, settings: Settings) -> Result<Opened, Vec<Located>> {
        // What changes from here on is found when the files are looked at again.
        let fingerprint = fingerprint(&inputs);
        let mut loaded = load(&inputs, &settings);
        if loaded.has_errors() {
            return Err(loaded.findings);
        }
        let last = Mutex::new(LastRead { fingerprint, said: Said::of(&loaded) });
        let not_in_force = loaded.not_in_force();
        let findings = std::mem::take(&mut loaded.findings);
        let in_force = InForce::from(loaded);
        let metrics = StoreMetrics::default();
        metrics.show(&in_force);
        let looked = AtomicI64::new(unix_seconds());
        let store =
            Self { inputs, settings, current: ArcSwap::from_pointee(in_force), last, looked, metrics };
        Ok(Opened { store, findings, not_in_force })
    }

    /// The policies in force.
    #[must_use]
    pub fn current(&self) -> Arc<InForce> {
        self.current.load_full()
    }

    /// Loads the policies anew, if the files say anything new; the set in force stays where anything is wrong, and all
    /// findings are given.
    fn reload(&self) -> Option<Result<Arc<InForce>, Vec<Located>>> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let fingerprint = fingerprint(&self.inputs);
        if last.fingerprint == fingerprint {
            return None;
        }
        let mut loaded = load(&self.inputs, &self.settings);
        let before = self.current();
        // A file that was emptied by a full disk looks like this.
        for emptied in before.files.difference(&loaded.files).filter(|file| Path::new(file).is_file()) {
            let message = "nothing stands here any more; to end what did, remove the file";
            loaded.findings.push(Located::of_inputs(&[emptied.into()], message));
        }
        // And so does a folder whose mount failed; where a file is wrong, its policy may be there to be mended.
        if loaded.set.policies().is_empty()
            && !loaded.findings.iter().any(is_within_a_file)
            && !before.set.policies().is_empty()
            && !self.settings.none_allowed
        {
            loaded.findings.push(Located::of_inputs(&self.inputs, NONE_LEFT));
        }
        let said = Said::of(&loaded);
        let is_new = said != last.said;
        *last = LastRead { fingerprint, said };
        if !is_new {
            return None;
        }
        if loaded.has_errors() {
            self.metrics.refused.inc();
            self.metrics.in_force.set(0);
            return Some(Err(loaded.findings));
        }
        let left: HashSet<&str> = loaded.set.policies().iter().map(|policy| policy.name()).collect();
        for policy in before.set.policies().iter().map(|policy| policy.name()) {
            if !left.contains(policy) {
                tracing::warn!(policy, "a policy is gone, and no longer in force");
            }
        }
        let in_force = InForce::from(loaded);
        self.metrics.reloads.inc();
        self.metrics.show(&in_force);
        self.current.store(Arc::new(in_force));
        Some(Ok(self.current()))
    }

    /// Tells of the exceptions that have ended since it was last asked to.
    fn look_at_exceptions(&self) {
        let (current, now) = (self.current(), unix_seconds());
        let since = self.looked.swap(now, Ordering::Relaxed);
        expiry::tell(current.set.all_exceptions(), since, now);
        self.metrics.show_exceptions(&current, now);
    }

    /// Adds the store's metrics to a registry.
    pub fn register(&self, registry: &mut Registry) {
        let StoreMetrics { policies, entries, exceptions, next_expiry, in_force, reloads, refused } =
            &self.metrics;
        registry.register("policies", "WorkloadPolicies in force", policies.clone());
        registry.register("policy_entries", "Entries of the policies in force, in any mode", entries.clone());
        registry.register("exceptions", "PolicyExceptions that have not expired", exceptions.clone());
        registry.register(
            "exceptions_next_expiry_timestamp_seconds",
            "When the next PolicyException expires, in Unix time; +Inf where there is none",
            next_expiry.clone(),
        );
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
        let mut watch = Watch::new(self.inputs.clone(), changed);
        let mut told = false;
        let mut begun = false;
        loop {
            // Before what is there is read, so that no change falls between.
            let watched = watch.renew();
            if let Err(error) = &watched
                && !told
            {
                tracing::warn!(%error, "changes are noticed only every {} s", LOOK_AGAIN.as_secs());
            } else if watched.is_ok() && told {
                tracing::info!("changes are noticed at once again");
            }
            told = watched.is_err();
            self.reload_apart().await;
            self.look_at_exceptions();
            if !std::mem::replace(&mut begun, true) {
                tracing::info!("following the policies' files");
            }
            if timeout(LOOK_AGAIN, changes.recv()).await.is_ok() {
                tokio::time::sleep(SETTLE).await;
                while changes.try_recv().is_ok() {}
            }
        }
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
            Some(Ok(in_force)) => {
                let policies = in_force.set.policies().len();
                tracing::info!(policies, digest = &*in_force.digest, "policies are in force");
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

/// Whether something in a file is wrong, rather than a file or a folder as a whole.
fn is_within_a_file(located: &Located) -> bool {
    located.diagnostic.severity == Severity::Error && located.location().is_some()
}

/// Loads the policies of these files, one file at a time.
fn load(inputs: &[PathBuf], settings: &Settings) -> Loaded {
    let mut loader = Loader::default();
    let mut errors = read_each(inputs, &mut |document| loader.add(document));
    // That a folder is empty is nothing wrong where there may be no policy.
    errors.retain(|error| !(settings.none_allowed && matches!(error.reason, Unreadable::NothingToRead)));
    let mut loaded = loader.finish(&errors);
    loaded.set = settings.apply(loaded.set);
    loaded
}

impl Said {
    fn of(loaded: &Loaded) -> Self {
        Self {
            digest: Arc::clone(&loaded.digest),
            findings: loaded.findings.iter().map(ToString::to_string).collect(),
        }
    }
}

impl StoreMetrics {
    fn show(&self, in_force: &InForce) {
        let gauge = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let policies = in_force.set.policies();
        self.policies.set(gauge(policies.len()));
        self.entries.set(gauge(policies.iter().map(|policy| policy.entries().count()).sum()));
        self.show_exceptions(in_force, unix_seconds());
        self.in_force.set(1);
    }

    fn show_exceptions(&self, in_force: &InForce, now: i64) {
        let unexpired = in_force.set.all_exceptions().filter(|exception| exception.expires() > now).count();
        self.exceptions.set(i64::try_from(unexpired).unwrap_or(i64::MAX));
        // Exact: seconds of Unix time stay far below 2^53.
        #[allow(clippy::cast_precision_loss)]
        let next = expiry::next(in_force.set.all_exceptions(), now).map_or(f64::INFINITY, |next| next as f64);
        self.next_expiry.set(next);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const POLICY: &str = "apiVersion: sallyport.dev/v1alpha1\nkind: WorkloadPolicy\nmetadata: {name: a}\n\
        spec: {match: {kinds: [Pod]}, mutate: [{name: x, metadata: {labels: {a: b}}}]}\n";

    #[test]
    fn only_files_that_say_something_new_are_told_of() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.yaml");
        let write = |text: &str| fs::write(&file, text).unwrap();
        write(POLICY);
        let store = Store::open(vec![folder.path().to_owned()], Settings::default()).unwrap().store;
        let first = Arc::clone(&store.current().digest);
        assert!(store.reload().is_none());
        write(&format!("# Another layout.\n{POLICY}"));
        assert!(store.reload().is_none());
        write(&POLICY.replace("a: b", "a: c"));
        assert!(matches!(store.reload(), Some(Ok(_))));
        let second = Arc::clone(&store.current().digest);
        assert_ne!(first, second);
        // A wrong file is told of once, and so is that it says again what is in force.
        write(&POLICY.replace("labels", "lables"));
        assert!(matches!(store.reload(), Some(Err(_))));
        write(&POLICY.replace("labels", "lables").replace("a: b", "a:  b"));
        assert!(store.reload().is_none());
        assert_eq!(store.current().digest, second);
        write(&POLICY.replace("a: b", "a: c"));
        assert!(matches!(store.reload(), Some(Ok(_))));
        assert_eq!(store.current().digest, second);
    }
}
