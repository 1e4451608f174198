//! Objects put to policies as the API server would put them.
//!
//! The API server fills in static defaults before it asks a webhook, so they are filled in here too, and taken out of
//! the result again: what is shown is what policies did to what a person wrote. Controllers pass unchanged unless a
//! policy asks for them; what matters is the pods that they make, so each is followed by its pod.

use std::collections::BTreeMap;

use sallyport_admission::offline::{apply_defaults, pod_of, without_defaults};
use sallyport_admission::{
    Context, Decision, Namespace, Operation, PodBearing, Request, UserInfo, decide, difference,
};
use sallyport_policy::{FieldPath, Segment};
use serde_json::Value;

use super::crds::yaml;
use crate::gate::unix_seconds;
use crate::plain::visible;
use crate::policies::Loaded;
use crate::source::{Document, Location};

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
    /// The decision; its patch is relative to `written`.
    pub(super) decision: Decision,
}

/// What a request says beside its object.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    /// The namespace of objects that name none.
    pub(super) namespace: String,
    /// The labels of the object's namespace; `None` where the policies' folder may describe it.
    pub(super) namespace_labels: Option<BTreeMap<String, String>>,
    pub(super) operation: Operation,
    pub(super) user: UserInfo,
    /// The object as it is stored, for an UPDATE.
    pub(super) old: Option<Value>,
    /// The resource and the subresource, where they are not those of the object's kind.
    pub(super) resource: Option<(String, String)>,
    /// The time in seconds since 1970.
    pub(super) now: i64,
}

impl Terms {
    /// The creation, now, of objects that are in this namespace where they name none.
    pub(super) fn creation(namespace: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            namespace_labels: None,
            operation: Operation::Create,
            user: UserInfo::default(),
            old: None,
            resource: None,
            now: unix_seconds(),
        }
    }
}

/// Decides about an object, and about its pod if it is a controller.
pub(super) fn judge<'d>(loaded: &Loaded, document: &'d Document, terms: &Terms) -> Vec<Judged<'d>> {
    let creation = Request::creation(document.value.clone(), &terms.namespace, terms.user.clone());
    let controller = PodBearing::of(&creation.kind).filter(|kind| *kind != PodBearing::Pod);
    let written = document.value.clone();
    let itself = judge_object(loaded, document, written, as_asked(creation, terms), None, terms);
    let kind = controller.filter(|_| matches!(terms.operation, Operation::Create | Operation::Update));
    let template = itself.decision.mutated.as_ref().unwrap_or(&document.value);
    let Some((kind, made)) = kind.and_then(|kind| Some((kind, pod_of(kind, template)?))) else {
        return vec![itself];
    };
    let written = made.pod.clone();
    let creation = Request::creation_by_controller(made, &terms.namespace, &terms.user);
    let pod = judge_object(loaded, document, written, creation, Some(kind), terms);
    vec![itself, pod]
}

fn judge_object<'d>(
    loaded: &Loaded,
    document: &'d Document,
    written: Value,
    request: Request,
    made_by: Option<PodBearing>,
    terms: &Terms,
) -> Judged<'d> {
    let namespace = namespace(loaded, &request.namespace, terms);
    let context = Context { namespace: namespace.as_ref(), now: terms.now, ..Context::default() };
    let mut decision = decide(&loaded.set, &request, &context);
    let result = match decision.mutated.take() {
        None => request.object,
        Some(mutated) => {
            let shown = without_defaults(&written, &request.object, &mutated);
            decision.patch = difference(&written, &shown);
            decision.mutated = Some(shown);
            mutated
        }
    };
    let template = made_by.map_or_else(FieldPath::root, |kind| {
        kind.template().iter().map(|field| Segment::Field((*field).into())).collect()
    });
    let (is_made, namespace) = (made_by.is_some(), request.namespace);
    Judged { document, written, is_made, template, result, namespace, decision }
}

fn namespace(loaded: &Loaded, name: &str, terms: &Terms) -> Option<Namespace> {
    if name.is_empty() {
        return None;
    }
    let mut namespace = Namespace::named(name);
    match (&terms.namespace_labels, loaded.namespace(name)) {
        (Some(labels), _) => namespace.labels.extend(labels.clone()),
        (None, Some(described)) => namespace = described.clone(),
        (None, None) => {}
    }
    Some(namespace)
}

/// The creation of the object, as what the terms say it is.
fn as_asked(creation: Request, terms: &Terms) -> Request {
    let Request { object, mut resource, .. } = creation;
    let mut sub_resource = String::new();
    if let Some((named, sub)) = &terms.resource {
        (resource.resource, sub_resource) = (named.clone(), sub.clone());
    }
    let mut old_object = terms.old.clone().unwrap_or_default();
    if let Some(kind) = PodBearing::of(&creation.kind) {
        apply_defaults(kind, &mut old_object);
    }
    let (object, old_object) = match terms.operation {
        Operation::Delete if old_object.is_null() => (Value::Null, object),
        Operation::Delete => (Value::Null, old_object),
        _ => (object, old_object),
    };
    Request { operation: terms.operation, resource, sub_resource, object, old_object, ..creation }
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

    /// What the object is called: `Deployment mita-production/mita`, and for a pod what makes it. Its namespace is the one
    /// that it is taken to be in.
    pub(super) fn title(&self) -> String {
        let (document, namespace) = (self.document, self.namespace.as_str());
        let separator = if namespace.is_empty() { "" } else { "/" };
        let written = format!("{} {namespace}{separator}{}", document.kind(), document.name());
        let written = visible(&written);
        if self.is_made { format!("Pod of {written}") } else { written.into_owned() }
    }
}
