//! Reading a pod's fields as they stand: nothing is sure to have its type, and what can't be read is a violation.

use std::fmt::{self, Display};

use serde_json::Value;

use super::findings::{Cut, Findings, Shown};
use crate::object::{CONTAINER_LISTS, ContainerList, Fields, Os, Pod, is_mesh_s_own};

/// The pod that is judged.
pub(super) struct PodFields<'p> {
    pod: Pod<'p>,
    spec: At<'p>,
    mesh_images: &'p [String],
}

impl<'p> PodFields<'p> {
    pub(super) fn new(pod: Pod<'p>, mesh_images: &'p [String]) -> Self {
        Self { pod, spec: At { fields: pod.spec(), place: Place::SPEC }, mesh_images }
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
        for list in CONTAINER_LISTS {
            self.spec.for_each_named(&[list.field()], findings, |at, findings| {
                each(&ContainerFields { at, list, mesh_images: self.mesh_images }, findings);
            });
        }
    }

    /// Whether a container has this name.
    pub(super) fn has_container(&self, name: &str) -> bool {
        self.pod.containers().any(|(_, fields)| name_of(fields) == name)
    }

    /// Calls `each` with the key and the value of every annotation.
    pub(super) fn for_each_annotation(
        &self,
        findings: &mut Findings<'_>,
        mut each: impl FnMut(&'p str, &'p Value, &mut Findings<'_>),
    ) {
        let template = At { fields: self.pod.template(), place: Place::ROOT };
        if let Read::Is(annotations) = template.read_object(&["metadata", "annotations"], findings) {
            annotations.iter().for_each(|(key, value)| each(key, value, findings));
        }
    }
}

/// A container, and where it stands.
pub(super) struct ContainerFields<'p> {
    at: At<'p>,
    list: ContainerList,
    mesh_images: &'p [String],
}

impl<'p> ContainerFields<'p> {
    pub(super) fn at(&self) -> &At<'p> {
        &self.at
    }

    /// Whether a mesh's injector added it: then it may do what redirecting a pod's traffic takes, which is to have
    /// NET_ADMIN and NET_RAW and to run as root. No injector adds ephemeral containers.
    pub(super) fn may_redirect_traffic(&self) -> bool {
        self.list != ContainerList::Ephemeral && is_mesh_s_own(self.at.fields, self.mesh_images)
    }
}

/// An object within a pod, and where it stands.
pub(super) struct At<'p> {
    fields: &'p Fields,
    place: Place<'p>,
}

fn name_of(fields: &Fields) -> &str {
    fields.get("name").and_then(Value::as_str).unwrap_or_default()
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
        let mut fields = self.fields;
        for (i, field) in path.iter().enumerate() {
            match fields.get(*field) {
                None | Some(Value::Null) => return Read::Unset,
                Some(value) if i + 1 == path.len() => return Read::Is(value),
                Some(Value::Object(inner)) => fields = inner,
                Some(other) => {
                    let path = path.get(..=i).unwrap_or_default();
                    findings.violation(self.path(path), Shown(other), "be an object");
                    return Read::Unreadable;
                }
            }
        }
        Read::Unset
    }

    /// The object at a path of fields.
    pub(super) fn read_object(&self, path: &[&str], findings: &mut Findings<'_>) -> Read<&'p Fields> {
        match self.read(path, findings) {
            Read::Is(Value::Object(fields)) => Read::Is(fields),
            Read::Is(other) => {
                findings.violation(self.path(path), Shown(other), "be an object");
                Read::Unreadable
            }
            Read::Unset => Read::Unset,
            Read::Unreadable => Read::Unreadable,
        }
    }

    /// The elements of the list at a path of fields.
    pub(super) fn read_list(&self, path: &[&str], findings: &mut Findings<'_>) -> Read<&'p [Value]> {
        match self.read(path, findings) {
            Read::Is(Value::Array(elements)) => Read::Is(elements),
            Read::Is(other) => {
                findings.violation(self.path(path), Shown(other), "be a list");
                Read::Unreadable
            }
            Read::Unset => Read::Unset,
            Read::Unreadable => Read::Unreadable,
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
        self.for_each_element(path, |element| Some(name_of(element)), findings, each);
    }

    /// Calls `each` with every element of a list of objects.
    pub(super) fn for_each(
        &self,
        path: &[&str],
        findings: &mut Findings<'_>,
        each: impl FnMut(At<'_>, &mut Findings<'_>),
    ) {
        self.for_each_element(path, |_| None, findings, each);
    }

    fn for_each_element(
        &self,
        path: &[&str],
        name: impl Fn(&'p Fields) -> Option<&'p str>,
        findings: &mut Findings<'_>,
        mut each: impl FnMut(At<'_>, &mut Findings<'_>),
    ) {
        let Read::Is(elements) = self.read_list(path, findings) else { return };
        for (i, element) in elements.iter().enumerate() {
            let place = |name| Place {
                parent: Some(&self.place),
                fields: path,
                element: Some(Element { index: i, name }),
            };
            match element {
                Value::Object(fields) => each(At { fields, place: place(name(fields)) }, findings),
                other => findings.violation(place(None), Shown(other), "be an object"),
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

/// An element of a list, shown by its name where it has one.
#[derive(Clone, Copy)]
struct Element<'p> {
    index: usize,
    name: Option<&'p str>,
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
        match self.element {
            None => Ok(()),
            Some(Element { name: Some(name), .. }) if !name.is_empty() => write!(f, "[{}]", Cut(name)),
            Some(Element { index, .. }) => write!(f, "[{index}]"),
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
