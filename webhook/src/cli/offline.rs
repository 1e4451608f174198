//! Objects put to policies, from files or a cluster: reading both, and judging on all of the machine's processors.

use std::io;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use anyhow::bail;
use sallyport_policy::{GROUP, Severity};

use super::judge::{Judged, Terms, judge};
use super::misspelt::misspelt;
use super::progress::Progress;
use super::{ObjectArgs, check, is_stdin, named, terminal};
use crate::cluster::{connect, inventory};
use crate::policies::{Loaded, load};
use crate::source::{Document, SourceText, parse, read};

/// Documents that a thread judges at a time.
const SHARE: usize = 64;

/// Objects and policies, read.
pub(super) struct Bench {
    pub(super) loaded: Loaded,
    pub(super) documents: Vec<Document>,
    terms: Terms,
}

impl Bench {
    /// Reads both. `None` where something is wrong with either, which has been told by then.
    pub(super) fn read(args: &ObjectArgs) -> anyhow::Result<Option<Self>> {
        if args.policies.iter().chain(&args.objects).filter(|path| is_stdin(path)).count() > 1 {
            bail!("standard input (-) can be read once only");
        }
        let (policies, errors) = read(&args.policies);
        let loaded = load(policies, &errors);
        let wrong = check::tell(&loaded, false)?;
        let (documents, errors) = read(&args.objects);
        let mut reporter = terminal::reporter(io::stderr());
        for error in &errors {
            reporter.read_error(error)?;
        }
        for misspelt in documents.iter().flat_map(misspelt) {
            reporter.located(&misspelt)?;
        }
        reporter.finish()?;
        let unreadable = errors.iter().any(|error| error.severity == Severity::Error);
        if wrong || unreadable {
            return Ok(None);
        }
        check::expect_policies(&loaded, &args.policies)?;
        if documents.is_empty() {
            bail!("no objects in {}: nothing is there", named(&args.objects));
        }
        if !documents.iter().any(is_judged) {
            bail!("no objects in {}: policies go after --policies, objects after them", named(&args.objects));
        }
        Ok(Some(Self::of(loaded, documents, &args.namespace)))
    }

    /// Reads a cluster's objects, and its policies where none are given. `None` where something is wrong with the
    /// policies, which has been told by then.
    pub(super) fn read_cluster(
        policies: &[PathBuf],
        kubeconfig: Option<&Path>,
    ) -> anyhow::Result<Option<Self>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (client, _) = runtime.block_on(connect(kubeconfig))?;
        let (documents, errors) = if policies.is_empty() {
            (of_cluster(&runtime.block_on(inventory::policies(&client))?), Vec::new())
        } else {
            read(policies)
        };
        let loaded = load(documents, &errors);
        if check::tell(&loaded, false)? {
            return Ok(None);
        }
        if loaded.set.policies().is_empty() {
            bail!(
                "there are no WorkloadPolicies in the cluster: to try some that are in files, give --policies"
            );
        }
        let objects = runtime.block_on(inventory::objects(&client, &loaded.set))?;
        Ok(Some(Self::of(loaded, of_cluster(&objects), "default")))
    }

    fn of(loaded: Loaded, documents: Vec<Document>, namespace: &str) -> Self {
        // Namespaces among the objects describe themselves.
        let described = load(documents.iter().filter(|d| d.kind() == "Namespace").cloned().collect(), &[]);
        let mut loaded = loaded;
        for (name, namespace) in described.namespaces {
            loaded.namespaces.entry(name).or_insert(namespace);
        }
        Self { loaded, documents, terms: Terms::creation(namespace) }
    }

    /// Decides about every object, and about the pod of every controller: `each` is given both, in the order of the
    /// documents. The decisions are made on all of the machine's processors.
    pub(super) fn judge(
        &self,
        progress: Progress,
        mut each: impl FnMut(Vec<Judged<'_>>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let documents: Vec<&Document> =
            self.documents.iter().filter(|document| is_judged(document)).collect();
        let threads = thread::available_parallelism().map_or(1, NonZero::get);
        progress.begin(documents.len());
        for batch in documents.chunks(threads * SHARE) {
            let judged: Vec<Vec<Judged<'_>>> = thread::scope(|scope| {
                let spawn = |share| scope.spawn(move || self.judge_share(share));
                let threads: Vec<_> = batch.chunks(SHARE).map(spawn).collect();
                let ended = threads
                    .into_iter()
                    .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
                ended.flatten().collect()
            });
            progress.advance(batch.len());
            judged.into_iter().try_for_each(&mut each)?;
        }
        progress.end();
        Ok(())
    }

    fn judge_share<'d>(&self, share: &[&'d Document]) -> Vec<Vec<Judged<'d>>> {
        share.iter().map(|document| judge(&self.loaded, document, &self.terms)).collect()
    }
}

/// Sallyport's own resources are what objects are put to, and no objects here.
fn is_judged(document: &Document) -> bool {
    !document.api_version().starts_with(GROUP)
}

/// Objects of a cluster as documents: their places are named after them.
fn of_cluster(objects: &[serde_json::Value]) -> Vec<Document> {
    let text = |object: &serde_json::Value| Arc::new(SourceText::of_value("cluster", object));
    objects.iter().flat_map(|object| parse(&text(object)).0).collect()
}
