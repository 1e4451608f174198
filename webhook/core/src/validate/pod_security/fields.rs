//! Reading a pod's fields as they stand: nothing is sure to have its type, and what can't be read is a violation.

use std::fmt::{self, Display};

use serde_json::Value;

use super::findings::{Cut, Findings, Shown};
use crate::object::{CONTAINER_LISTS, ContainerList, Fields, Os, Pod, get_str, name_of};
use crate::validate::mesh::{MeshImages, redirects_traffic};

/// The pod that is judged. What many controls read is looked up once for all of them.
pub(super) struct PodFields<'p> {
    pod: Pod<'p>,
    spec: At<'p>,
    lists: [Option<&'p Value>; CONTAINER_LISTS.len()],
    /// The security contexts of the first containers, in the order of the lists.
    contexts: [Option<&'p Value>; FIRST],
    mesh_images: &'p MeshImages,
}

/// As many containers as ordinary pods have. More of them cost a look-up for each control, and no memory.
const FIRST: usize = 16;

const CONTEXT: &str = "securityContext";

impl<'p> PodFields<'p> {
    pub(super) fn new(pod: Pod<'p>, mesh_images: &'p MeshImages) -> Self {
        let lists = CONTAINER_LISTS.map(|list| pod.spec().get(list.field()));
        let containers = lists.iter().filter_map(|list| list.and_then(Value::as_array)).flatten();
        let mut contexts = [None; FIRST];
        for (context, container) in contexts.iter_mut().zip(containers) {
            *context = container.get(CONTEXT);
        }
        let spec = At { fields: pod.spec(), place: Place::SPEC, context: Some(pod.spec().get(CONTEXT)) };
        Self { pod, spec, lists, contexts, mesh_images }
    }

    /// The pod's `spec`.
    pub(super) fn spec(&self) -> &At<'p> {
        &self.spec
    }

    /// Whether the pod says that it is for Windows. The API server lets no such pod have fields of Linux (KEP-2802).
    pub(super) fn is_windows(&self) -> bool {
        self.pod.os() == Os::Windows
    }

    /// Whether the pod's users are none of the node's (KEP-127).
    pub(super) fn has_user_namespace(&self) -> bool {
        self.pod.spec().get("hostUsers") == Some(&Value::Bool(false))
    }

    /// Calls `each` with every container of all three lists.
    pub(super) fn for_each_container(
        &self,
        findings: &mut Findings<'_>,
        mut each: impl FnMut(&ContainerFields<'_>, &mut Findings<'_>),
    ) {
        let mut contexts: &[_] = &self.contexts;
        for (list, elements) in CONTAINER_LISTS.into_iter().zip(self.lists) {
            let path = [list.field()];
            let Read::Is(elements) = self.spec.list_of(elements, &path, findings) else { continue };
            self.spec.for_each_of(elements, contexts, (&path, Shows::Name), findings, |at, findings| {
                each(&ContainerFields { at, list, mesh_images: self.mesh_images }, findings);
            });
            contexts = contexts.get(elements.len()..).unwrap_or_default();
        }
    }

    /// Whether a container has this name.
    pub(super) fn has_container(&self, name: &str) -> bool {
        self.pod.containers().any(|(_, fields)| get_str(fields, &["name"]).unwrap_or_default() == name)
    }

    /// Calls `each` with the key and the value of every annotation.
    pub(super) fn for_each_annotation(
        &self,
        findings: &mut Findings<'_>,
        mut each: impl FnMut(&'p str, &'p Value, &mut Findings<'_>),
    ) {
        let template = At { fields: self.pod.template(), place: Place::ROOT, context: None };
        if let Read::Is(annotations) = template.read_object(&["metadata", "annotations"], findings) {
            annotations.iter().for_each(|(key, value)| each(key, value, findings));
        }
    }
}

/// A container, and where it stands.
pub(super) struct ContainerFields<'p> {
    at: At<'p>,
    list: ContainerList,
    mesh_images: &'p MeshImages,
}

impl<'p> ContainerFields<'p> {
    pub(super) fn at(&self) -> &At<'p> {
        &self.at
    }

    /// Whether a mesh's injector added it to redirect the pod's traffic: then it may do what that takes, which is to
    /// have NET_ADMIN and NET_RAW and to run as root.
    pub(super) fn may_redirect_traffic(&self) -> bool {
        redirects_traffic(self.list, self.at.fields, self.mesh_images)
    }
}

/// An object within a pod, and where it stands.
pub(super) struct At<'p> {
    fields: &'p Fields,
    place: Place<'p>,
    /// The object's security context, where that has been looked up already.
    context: Option<Option<&'p Value>>,
}

/// What stands at a path.
#[derive(Clone, Copy)]
pub(super) enum Read<T> {
    /// Nothing, or null.
    Unset,
    Is(T),
    /// Something is in the way, or has the wrong type. It has been reported.
    Unreadable,
}

impl<'p> At<'p> {
    /// The path of a field, for messages.
    pub(super) fn path<'a>(&'a self, fields: &'a [&'a str]) -> impl Display + 'a {
        FieldAt { place: &self.place, fields }
    }

    /// The fields that are set, by name.
    pub(super) fn set_fields(&self) -> impl Iterator<Item = (&'p str, &'p Value)> {
        self.fields.iter().filter(|(_, value)| !value.is_null()).map(|(field, value)| (field.as_str(), value))
    }

    /// What stands at a path of fields.
    pub(super) fn read(&self, path: &[&str], findings: &mut Findings<'_>) -> Read<&'p Value> {
        let Some((first, deeper)) = path.split_first() else { return Read::Unset };
        let mut at = match self.context {
            Some(context) if *first == CONTEXT => context,
            _ => self.fields.get(*first),
        };
        for (i, field) in deeper.iter().enumerate() {
            at = match at {
                None | Some(Value::Null) => return Read::Unset,
                Some(Value::Object(inner)) => inner.get(*field),
                Some(other) => {
                    let path = path.get(..=i).unwrap_or_default();
                    findings.wrong_type(self.path(path), other, "an object");
                    return Read::Unreadable;
                }
            };
        }
        at.filter(|value| !value.is_null()).map_or(Read::Unset, Read::Is)
    }

    /// The object at a path of fields.
    pub(super) fn read_object(&self, path: &[&str], findings: &mut Findings<'_>) -> Read<&'p Fields> {
        match self.read(path, findings) {
            Read::Is(Value::Object(fields)) => Read::Is(fields),
            Read::Is(other) => {
                findings.wrong_type(self.path(path), other, "an object");
                Read::Unreadable
            }
            Read::Unset => Read::Unset,
            Read::Unreadable => Read::Unreadable,
        }
    }

    /// The elements of the list at a path of fields.
    pub(super) fn read_list(&self, path: &[&str], findings: &mut Findings<'_>) -> Read<&'p [Value]> {
        match self.read(path, findings) {
            Read::Is(value) => self.list_of(Some(value), path, findings),
            Read::Unset => Read::Unset,
            Read::Unreadable => Read::Unreadable,
        }
    }

    /// The elements of what stands at a path of fields.
    fn list_of(
        &self,
        value: Option<&'p Value>,
        path: &[&str],
        findings: &mut Findings<'_>,
    ) -> Read<&'p [Value]> {
        match value {
            None | Some(Value::Null) => Read::Unset,
            Some(Value::Array(elements)) => Read::Is(elements),
            Some(other) => {
                findings.wrong_type(self.path(path), other, "a list");
                Read::Unreadable
            }
        }
    }

    /// Reports a field that is set to what isn't right.
    pub(super) fn check(
        &self,
        path: &[&str],
        right: impl Fn(&Value) -> bool,
        must: impl Display,
        findings: &mut Findings<'_>,
    ) {
        if let Read::Is(value) = self.read(path, findings)
            && !right(value)
        {
            findings.violation(self.path(path), Shown(value), must);
        }
    }

    /// Reports a field that isn't set to what is right.
    pub(super) fn demand(
        &self,
        path: &[&str],
        right: impl Fn(&Value) -> bool,
        must: impl Display,
        findings: &mut Findings<'_>,
    ) {
        let found = match self.read(path, findings) {
            Read::Is(value) if right(value) => return,
            Read::Unreadable => return,
            Read::Is(value) => value,
            Read::Unset => &Value::Null,
        };
        findings.violation(self.path(path), Shown(found), must);
    }

    /// Calls `each` with every element of a list of objects that have names.
    pub(super) fn for_each_named(
        &self,
        path: &[&str],
        findings: &mut Findings<'_>,
        each: impl FnMut(At<'_>, &mut Findings<'_>),
    ) {
        if let Read::Is(elements) = self.read_list(path, findings) {
            self.for_each_of(elements, &[], (path, Shows::Name), findings, each);
        }
    }

    /// Calls `each` with every element of a list of objects.
    pub(super) fn for_each(
        &self,
        path: &[&str],
        findings: &mut Findings<'_>,
        each: impl FnMut(At<'_>, &mut Findings<'_>),
    ) {
        if let Read::Is(elements) = self.read_list(path, findings) {
            self.for_each_of(elements, &[], (path, Shows::Index), findings, each);
        }
    }

    /// `contexts` are the security contexts of as many elements as they have been looked up of.
    fn for_each_of(
        &self,
        elements: &[Value],
        contexts: &[Option<&Value>],
        (path, shows): (&[&str], Shows),
        findings: &mut Findings<'_>,
        mut each: impl FnMut(At<'_>, &mut Findings<'_>),
    ) {
        for (index, value) in elements.iter().enumerate() {
            let element = Element { index, value, shows };
            let place = Place { parent: Some(&self.place), fields: path, element: Some(element) };
            match value {
                Value::Object(fields) => {
                    each(At { fields, place, context: contexts.get(index).copied() }, findings);
                }
                other => findings.wrong_type(place, other, "an object"),
            }
        }
    }
}

/// Where an object stands: `spec.containers[api]`.
#[derive(Clone, Copy)]
struct Place<'p> {
    parent: Option<&'p Place<'p>>,
    fields: &'p [&'p str],
    element: Option<Element<'p>>,
}

/// An element of a list.
#[derive(Clone, Copy)]
struct Element<'p> {
    index: usize,
    value: &'p Value,
    shows: Shows,
}

/// What an element is shown by.
#[derive(Clone, Copy)]
enum Shows {
    Index,
    /// Its name, where it has one.
    Name,
}

impl Place<'static> {
    const ROOT: Self = Self { parent: None, fields: &[], element: None };
    const SPEC: Self = Self { parent: None, fields: &["spec"], element: None };
}

impl Place<'_> {
    fn is_root(&self) -> bool {
        self.fields.is_empty()
    }
}

impl Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
            f.write_str(".")?;
        }
        join(self.fields, f)?;
        let Some(Element { index, value, shows }) = self.element else { return Ok(()) };
        match (shows, name_of(value)) {
            (Shows::Index, _) | (Shows::Name, "") => write!(f, "[{index}]"),
            (Shows::Name, name) => write!(f, "[{}]", Cut(name)),
        }
    }
}

/// A field of what stands somewhere.
struct FieldAt<'a> {
    place: &'a Place<'a>,
    fields: &'a [&'a str],
}

impl Display for FieldAt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.place.fmt(f)?;
        if !self.place.is_root() && !self.fields.is_empty() {
            f.write_str(".")?;
        }
        join(self.fields, f)
    }
}

fn join(fields: &[&str], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (i, field) in fields.iter().enumerate() {
        write!(f, "{}{field}", if i == 0 { "" } else { "." })?;
    }
    Ok(())
}
