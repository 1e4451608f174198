//! The pod in an object.

use std::collections::HashSet;
use std::fmt;

use serde_json::Value;

use super::{
    CONTAINER_LISTS, ContainerList, Fields, PodBearing, container_type, get_list, get_object, get_str,
    is_mesh_container, name_of,
};
use crate::resources::ContainerType;

/// The operating system that a pod says it is for (KEP-2802).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Os {
    Linux,
    Windows,
    Unset,
}

/// A pod, or the template of one: what has `metadata` and `spec`.
#[derive(Clone, Copy)]
pub(crate) struct Pod<'o> {
    template: &'o Fields,
    spec: &'o Fields,
}

impl<'o> Pod<'o> {
    /// The pod in an object of this kind; `None` where the object is not shaped like one.
    pub(crate) fn of(kind: PodBearing, object: &'o Value) -> Option<Self> {
        let mut at = object.as_object()?;
        for field in kind.template() {
            at = at.get(*field)?.as_object()?;
        }
        Self::from_template(at)
    }

    pub(crate) fn from_template(template: &'o Fields) -> Option<Self> {
        Some(Self { template, spec: template.get("spec")?.as_object()? })
    }

    pub(crate) fn template(self) -> &'o Fields {
        self.template
    }

    pub(crate) fn spec(self) -> &'o Fields {
        self.spec
    }

    pub(crate) fn label(self, key: &str) -> Option<&'o str> {
        get_str(self.template, &["metadata", "labels", key])
    }

    pub(crate) fn annotation(self, key: &str) -> Option<&'o str> {
        get_str(self.template, &["metadata", "annotations", key])
    }

    pub(crate) fn annotations(self) -> impl Iterator<Item = (&'o str, &'o str)> {
        get_object(self.template, &["metadata", "annotations"])
            .into_iter()
            .flatten()
            .filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
    }

    pub(crate) fn os(self) -> Os {
        match get_str(self.spec, &["os", "name"]) {
            Some("windows") => Os::Windows,
            Some("linux") => Os::Linux,
            _ => Os::Unset,
        }
    }

    /// Every container with its list, in the order of their start.
    pub(crate) fn containers(self) -> impl Iterator<Item = (ContainerList, &'o Fields)> {
        CONTAINER_LISTS.into_iter().flat_map(move |list| {
            get_list(self.spec, &[list.field()]).iter().filter_map(move |c| Some((list, c.as_object()?)))
        })
    }

    /// Every container with its place, in the order of their start.
    pub(crate) fn named_containers(self) -> impl Iterator<Item = Container<'o>> {
        CONTAINER_LISTS.into_iter().flat_map(move |list| {
            get_list(self.spec, &[list.field()]).iter().filter_map(move |value| {
                let fields = value.as_object()?;
                let name = get_str(fields, &["name"]).unwrap_or_default().to_owned();
                let kind = container_type(list, fields);
                Some(Container { value, fields, kind, path: ContainerPath { list, name } })
            })
        })
    }

    /// Every container that no mesh owns.
    pub(crate) fn own_containers(self) -> impl Iterator<Item = (ContainerList, &'o Fields)> {
        self.containers().filter(|(_, c)| !is_mesh_container(get_str(c, &["name"]).unwrap_or_default()))
    }

    /// The list that holds a container of this name.
    pub(crate) fn list_of(self, name: &str) -> Option<ContainerList> {
        CONTAINER_LISTS
            .into_iter()
            .find(|list| get_list(self.spec, &[list.field()]).iter().any(|c| name_of(c) == name))
    }
}

/// A container and its place.
#[derive(Clone)]
pub(crate) struct Container<'o> {
    pub(crate) value: &'o Value,
    pub(crate) fields: &'o Fields,
    pub(crate) kind: ContainerType,
    pub(crate) path: ContainerPath,
}

impl Container<'_> {
    /// The container's name.
    pub(crate) fn name(&self) -> &str {
        &self.path.name
    }
}

/// Which containers of a pod may be changed.
#[derive(Clone, Copy)]
pub(crate) enum Reach<'o> {
    /// All: the pod is new.
    Whole,
    /// The ephemeral containers that the old object, given here, does not have.
    NewEphemeral(&'o Value),
}

/// A pod that is being changed.
pub(crate) struct PodMut<'o> {
    template: &'o mut Fields,
    reach: Reach<'o>,
}

impl<'o> PodMut<'o> {
    /// The pod in an object of this kind; `None` where the object is not shaped like one.
    pub(crate) fn of(kind: PodBearing, object: &'o mut Value, reach: Reach<'o>) -> Option<Self> {
        let mut at = object.as_object_mut()?;
        for field in kind.template() {
            at = at.get_mut(*field)?.as_object_mut()?;
        }
        at.get("spec")?.as_object()?;
        Some(Self { template: at, reach })
    }

    /// Whether fields of the pod itself may be changed, and not only containers.
    pub(crate) fn is_whole(&self) -> bool {
        matches!(self.reach, Reach::Whole)
    }

    /// The pod as it stands now.
    pub(crate) fn read(&self) -> Option<Pod<'_>> {
        Pod::from_template(self.template)
    }

    /// The pod's spec.
    pub(crate) fn spec(&mut self) -> Option<&mut Fields> {
        self.template.get_mut("spec")?.as_object_mut()
    }

    /// Calls `each` with every container that may be changed; containers that a mesh owns may not.
    pub(crate) fn for_each_container(&mut self, mut each: impl FnMut(ContainerMut<'_>)) {
        let older = match self.reach {
            Reach::Whole => None,
            Reach::NewEphemeral(old) => Some(ephemeral_names(old)),
        };
        let Some(spec) = self.spec() else { return };
        for list in CONTAINER_LISTS {
            let Some(elements) = spec.get_mut(list.field()).and_then(Value::as_array_mut) else { continue };
            for element in elements {
                let Some(fields) = element.as_object_mut() else { continue };
                let name = get_str(fields, &["name"]).unwrap_or_default().to_owned();
                let within_reach = older
                    .as_ref()
                    .is_none_or(|older| list == ContainerList::Ephemeral && !older.contains(name.as_str()));
                if within_reach && !is_mesh_container(&name) {
                    let kind = container_type(list, fields);
                    each(ContainerMut { fields, kind, path: ContainerPath { list, name } });
                }
            }
        }
    }

    /// Calls `each` with every container of this name, a mesh's own too.
    pub(crate) fn for_each_named(&mut self, name: &str, mut each: impl FnMut(ContainerMut<'_>)) {
        let Some(spec) = self.spec() else { return };
        for list in CONTAINER_LISTS {
            let elements = spec.get_mut(list.field()).and_then(Value::as_array_mut).into_iter().flatten();
            for fields in elements.filter_map(Value::as_object_mut) {
                if get_str(fields, &["name"]) == Some(name) {
                    let kind = container_type(list, fields);
                    each(ContainerMut { fields, kind, path: ContainerPath { list, name: name.to_owned() } });
                }
            }
        }
    }
}

/// The names of a pod's ephemeral containers.
fn ephemeral_names(pod: &Value) -> HashSet<&str> {
    let containers = pod.as_object().map(|pod| get_list(pod, &["spec", ContainerList::Ephemeral.field()]));
    containers.unwrap_or_default().iter().map(name_of).collect()
}

/// A container that is being changed.
pub(crate) struct ContainerMut<'o> {
    pub(crate) fields: &'o mut Fields,
    pub(crate) kind: ContainerType,
    pub(crate) path: ContainerPath,
}

/// The field path of a container: `spec.containers[api]`.
#[derive(Clone, Debug)]
pub(crate) struct ContainerPath {
    pub(crate) list: ContainerList,
    pub(crate) name: String,
}

impl fmt::Display for ContainerPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "spec.{}[{}]", self.list.field(), self.name)
    }
}
