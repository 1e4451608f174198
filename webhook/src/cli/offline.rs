//! Objects from files put to policies, as the API server would put them.
//!
//! The API server fills in static defaults before it asks a webhook, so they are filled in here too, and taken out of
//! the result again: what is shown is what policies did to what a person wrote. Controllers pass unchanged unless a
//! policy asks for them; what matters is the pods that they make, so each is followed by its pod.

use std::io;

use anyhow::bail;
use sallyport_admission::offline::{apply_defaults, pod_of, without_defaults};
use sallyport_admission::{
    Context, Decision, GroupVersionKind, GroupVersionResource, Namespace, Operation, PodBearing, Request,
    UserInfo, decide,
};
use sallyport_policy::GROUP;
use serde_json::Value;

use super::{ObjectArgs, check, is_stdin, named};
use crate::gate::unix_seconds;
use crate::plain::visible;
use crate::policies::{Loaded, load};
use crate::source::{Colour, Document, Reporter, read};

/// An object and what was decided about it.
pub(super) struct Judged<'d> {
    /// The document that it was written in, or its controller's.
    pub(super) document: &'d Document,
    /// The object as it was written, or as its controller would make it.
    pub(super) written: Value,
    /// Whether it is the pod of the document's controller.
    pub(super) is_made: bool,
    /// The decision; its patch is relative to `written`.
    pub(super) decision: Decision,
}

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
        let mut reporter = Reporter::new(io::stderr().lock(), Colour::for_stream(&io::stderr()));
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

    /// Decides about every object, and about the pod of every controller.
    pub(super) fn judge(&self) -> impl Iterator<Item = Judged<'_>> {
        self.documents.iter().filter(|document| is_judged(document)).flat_map(move |document| {
            let gvk = kind_of(document);
            let kind = PodBearing::of(&gvk);
            let itself = self.judge_object(document, document.value.clone(), &gvk, false);
            let pod =
                kind.filter(|kind| *kind != PodBearing::Pod).and_then(|kind| pod_of(kind, &document.value));
            let gvk =
                GroupVersionKind { group: String::new(), version: "v1".to_owned(), kind: "Pod".to_owned() };
            std::iter::once(itself)
                .chain(pod.map(move |pod| self.judge_object(document, pod.pod, &gvk, true)))
        })
    }

    fn judge_object<'d>(
        &self,
        document: &'d Document,
        written: Value,
        gvk: &GroupVersionKind,
        is_made: bool,
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
        if let Some(mutated) = decision.mutated.take() {
            let mutated = without_defaults(&written, &request.object, &mutated);
            decision.patch = json_patch::diff(&written, &mutated);
            decision.mutated = Some(mutated);
        }
        Judged { document, written, is_made, decision }
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
