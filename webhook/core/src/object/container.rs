//! What a container is.

use serde_json::Value;

use super::{Fields, get_str};
use crate::resources::ContainerType;

/// A list of containers in a pod's spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum ContainerList {
    Init,
    Containers,
    Ephemeral,
}

/// The lists of containers, in the order in which their containers start.
pub(crate) const CONTAINER_LISTS: [ContainerList; 3] =
    [ContainerList::Init, ContainerList::Containers, ContainerList::Ephemeral];

impl ContainerList {
    /// The list's field in the pod's spec.
    pub(crate) const fn field(self) -> &'static str {
        match self {
            Self::Init => "initContainers",
            Self::Containers => "containers",
            Self::Ephemeral => "ephemeralContainers",
        }
    }
}

/// What a container of `list` is; an init container that restarts always is a native sidecar (KEP-753).
pub(crate) fn container_type(list: ContainerList, container: &Fields) -> ContainerType {
    match list {
        ContainerList::Init if get_str(container, &["restartPolicy"]) == Some("Always") => {
            ContainerType::Sidecar
        }
        ContainerList::Init => ContainerType::Init,
        ContainerList::Containers => ContainerType::Container,
        ContainerList::Ephemeral => ContainerType::Ephemeral,
    }
}

/// An element's `name`; empty where it has none.
pub(crate) fn name_of(element: &Value) -> &str {
    element.get("name").and_then(Value::as_str).unwrap_or_default()
}

/// The element of a list that has this `name`.
pub(crate) fn named_element<'v>(list: &'v [Value], name: &str) -> Option<&'v Value> {
    list.iter().find(|element| name_of(element) == name)
}
