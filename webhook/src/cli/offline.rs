//! Objects from files put to policies, as the API server would put them.
//!
//! The API server fills in static defaults before it asks a webhook, so they are filled in here too, and taken out of
//! the result again: what is shown is what policies did to what a person wrote. Controllers pass unchanged unless a
//! policy asks for them; what matters is the pods that they make, so each is followed by its pod.

use std::io;
use std::num::NonZero;
use std::thread;

use anyhow::bail;
use sallyport_admission::offline::{apply_defaults, pod_of, without_defaults};
use sallyport_admission::{
    Context, Decision, GroupVersionKind, GroupVersionResource, Namespace, Operation, PodBearing, Request,
    UserInfo, applicable, decide,
};
use sallyport_policy::{FieldPath, GROUP, Segment};
use serde_json::Value;

use super::crds::yaml;
use super::progress::Progress;
use super::{ObjectArgs, check, is_stdin, named, terminal};
use crate::gate::unix_seconds;
use crate::plain::visible;
use crate::policies::{Loaded, load};
use crate::source::{Document, Location, read};

/// An object and what was decided about it.
pub(super) struct Judged<'d> {
    /// The document that it was written in, or its controller's.
    pub(super) document: &'d Document,
    /// The object as it was written, or as its controller would make it.
    pub(super) written: Value,
    /// Whether it is the pod of the document's controller.
    pub(super) is_made: bool,
    /// The field of the document that the object was made of: empty, or the template of the controller.
    pub(super) template: FieldPath,
    /// The object as the policies left it, with the API server's defaults.
    pub(super) result: Value,
    /// The namespace that it is in, whether the document says so or not.
    pub(super) namespace: String,
    /// Whether any policy is about it.
    pub(super) matched: bool,
    /// The decision; its patch is relative to `written`.
    pub(super) decision: Decision,
}

/// Documents that a thread judges at a time.
const SHARE: usize = 64;

/// Objects and policies, read.
pub(super) struct Bench {
    pub(super) loaded: Loaded,
    pub(super) documents: Vec<Document>,
    namespace: String,
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
        reporter.finish()?;
        let unreadable = errors.iter().any(|error| error.severity == sallyport_policy::Severity::Error);
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
        // Namespaces among the objects describe themselves.
        let described = load(documents.iter().filter(|d| d.kind() == "Namespace").cloned().collect(), &[]);
        let mut loaded = loaded;
        for (name, namespace) in described.namespaces {
            loaded.namespaces.entry(name).or_insert(namespace);
        }
        Ok(Some(Self { loaded, documents, namespace: args.namespace.clone() }))
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
        share.iter().map(|document| self.judge_document(document)).collect()
    }

    /// Decides about an object, and about its pod if it is a controller.
    fn judge_document<'d>(&self, document: &'d Document) -> Vec<Judged<'d>> {
        let gvk = kind_of(document);
        let mut judged = vec![self.judge_object(document, document.value.clone(), &gvk, None)];
        if let Some(kind) = PodBearing::of(&gvk).filter(|kind| *kind != PodBearing::Pod)
            && let Some(made) = pod_of(kind, &document.value)
        {
            let pod = PodBearing::Pod.group_version_kind();
            judged.push(self.judge_object(document, made.pod, &pod, Some(kind)));
        }
        judged
    }

    fn judge_object<'d>(
        &self,
        document: &'d Document,
        written: Value,
        gvk: &GroupVersionKind,
        made_by: Option<PodBearing>,
    ) -> Judged<'d> {
        let kind = PodBearing::of(gvk);
        let mut object = written.clone();
        if let Some(kind) = kind {
            apply_defaults(kind, &mut object);
        }
        let request = self.create(gvk, document, object);
        let namespace = self.namespace(&request);
        let context = Context { namespace: namespace.as_ref(), now: unix_seconds(), ..Context::default() };
        let mut decision = decide(&self.loaded.set, &request, &context);
        let matched = !applicable(&self.loaded.set, &request, &context).is_empty();
        let result = match decision.mutated.take() {
            None => request.object,
            Some(mutated) => {
                let shown = without_defaults(&written, &request.object, &mutated);
                decision.patch = json_patch::diff(&written, &shown);
                decision.mutated = Some(shown);
                mutated
            }
        };
        let template = made_by.map_or_else(FieldPath::root, |kind| {
            kind.template().iter().map(|field| Segment::Field((*field).into())).collect()
        });
        let is_made = made_by.is_some();
        let namespace = request.namespace;
        Judged { document, written, is_made, template, result, namespace, matched, decision }
    }

    fn namespace(&self, request: &Request) -> Option<Namespace> {
        let described = self.loaded.namespace(&request.namespace).cloned();
        described
            .or_else(|| (!request.namespace.is_empty()).then(|| Namespace::named(request.namespace.clone())))
    }

    /// The request by which the API server would ask about a new object.
    fn create(&self, gvk: &GroupVersionKind, document: &Document, object: Value) -> Request {
        let text =
            |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let namespace = match document.namespace() {
            "" if is_cluster_scoped(&gvk.kind) => String::new(),
            "" => self.namespace.clone(),
            namespace => namespace.to_owned(),
        };
        Request {
            uid: String::new(),
            kind: gvk.clone(),
            resource: GroupVersionResource {
                group: gvk.group.clone(),
                version: gvk.version.clone(),
                resource: plural(&gvk.kind),
            },
            sub_resource: String::new(),
            name: text("/metadata/name"),
            namespace,
            operation: Operation::Create,
            user_info: UserInfo::default(),
            object,
            old_object: Value::Null,
            dry_run: Some(true),
        }
    }
}

/// Sallyport's own resources are what objects are put to, and no objects here.
fn is_judged(document: &Document) -> bool {
    !document.api_version().starts_with(GROUP)
}

fn kind_of(document: &Document) -> GroupVersionKind {
    let (group, version) = document.api_version().split_once('/').unwrap_or(("", document.api_version()));
    GroupVersionKind {
        group: group.to_owned(),
        version: version.to_owned(),
        kind: document.kind().to_owned(),
    }
}

/// The kinds without a namespace that stand in manifests.
fn is_cluster_scoped(kind: &str) -> bool {
    matches!(
        kind,
        "Namespace"
            | "Node"
            | "PersistentVolume"
            | "StorageClass"
            | "PriorityClass"
            | "ClusterRole"
            | "ClusterRoleBinding"
            | "CustomResourceDefinition"
            | "IngressClass"
            | "RuntimeClass"
            | "MutatingWebhookConfiguration"
            | "ValidatingWebhookConfiguration"
            | "ValidatingAdmissionPolicy"
            | "ValidatingAdmissionPolicyBinding"
    )
}

/// The resource of a kind, by the rule that all of Kubernetes' own kinds but a few follow.
fn plural(kind: &str) -> String {
    let lower = kind.to_lowercase();
    match lower.as_str() {
        "endpoints" => lower,
        _ if lower.ends_with('y') => format!("{}ies", lower.trim_end_matches('y')),
        _ if lower.ends_with('s') => format!("{lower}es"),
        _ => format!("{lower}s"),
    }
}

impl Judged<'_> {
    /// A path of the object as a path of the document.
    pub(super) fn path_in_document(&self, path: &str) -> String {
        match (self.is_made, path) {
            (false, path) => path.to_owned(),
            (true, "") => self.template.to_string(),
            (true, path) => format!("{}.{path}", self.template),
        }
    }

    /// Where the document begins.
    pub(super) fn beginning(&self) -> Location {
        self.document.locate(&FieldPath::of("kind"))
    }

    /// Where a field of the object stands in the file: itself, or what of it is there.
    pub(super) fn locate(&self, path: &str) -> Location {
        match self.path_in_document(path).as_str() {
            "" => self.beginning(),
            path => self.document.locate_written(path),
        }
    }

    /// The object before and after, as YAML in its author's order.
    pub(super) fn before_and_after(&self) -> anyhow::Result<(String, String)> {
        let in_order = |value| yaml(&self.document.in_order(&self.template, value));
        let after = self.decision.mutated.as_ref().unwrap_or(&self.written);
        Ok((in_order(&self.written)?, in_order(after)?))
    }

    /// What the object is called: `Deployment mita-production/mita`, and for a pod what makes it.
    pub(super) fn title(&self) -> String {
        let document = self.document;
        let namespace = document.namespace();
        let separator = if namespace.is_empty() { "" } else { "/" };
        let written = format!("{} {namespace}{separator}{}", document.kind(), document.name());
        let written = visible(&written);
        if self.is_made { format!("Pod of {written}") } else { written.into_owned() }
    }
}
