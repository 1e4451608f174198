//! Reading untyped Kubernetes objects: where the pod of a workload stands, and what its containers are.

mod container;
pub mod element;
mod kind;
mod mesh;
mod pod;
mod reads;
mod resource;

pub(crate) use container::{CONTAINER_LISTS, ContainerList, container_type, name_of, named_element};
pub use kind::PodBearing;
pub(crate) use mesh::is_mesh_container;
pub(crate) use pod::{Container, ContainerMut, ContainerPath, Os, Pod, PodMut, Reach};
pub(crate) use reads::{Keys, Reads};
pub(crate) use resource::plural;

use serde_json::{Map, Value};

/// An object's fields.
pub(crate) type Fields = Map<String, Value>;

/// The value at a path of fields; `None` where one is missing or null.
pub(crate) fn get<'v>(fields: &'v Fields, path: &[&str]) -> Option<&'v Value> {
    let (last, parents) = path.split_last()?;
    let mut at = fields;
    for parent in parents {
        at = at.get(*parent)?.as_object()?;
    }
    at.get(*last).filter(|value| !value.is_null())
}

/// The text at a path of fields.
pub(crate) fn get_str<'v>(fields: &'v Fields, path: &[&str]) -> Option<&'v str> {
    get(fields, path)?.as_str()
}

/// Whether `now` is what is wanted, whatever else it has: the API server fills in further fields of what it is given.
pub(crate) fn holds(now: &Value, wanted: &Value) -> bool {
    match (now, wanted) {
        (Value::Object(now), Value::Object(wanted)) => {
            wanted.iter().all(|(field, wanted)| now.get(field).is_some_and(|now| holds(now, wanted)))
        }
        (Value::Array(now), Value::Array(wanted)) => {
            now.len() == wanted.len() && now.iter().zip(wanted).all(|(now, wanted)| holds(now, wanted))
        }
        _ => now == wanted,
    }
}

/// The object at a path of fields.
pub(crate) fn get_object<'v>(fields: &'v Fields, path: &[&str]) -> Option<&'v Fields> {
    get(fields, path)?.as_object()
}

/// The elements of the list at a path of fields; none where it is missing.
pub(crate) fn get_list<'v>(fields: &'v Fields, path: &[&str]) -> &'v [Value] {
    get(fields, path).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The object in field `name`, made where it is missing or null; `None` where something else is there.
pub(crate) fn object_entry<'v>(fields: &'v mut Fields, name: &str) -> Option<&'v mut Fields> {
    if fields.get(name).is_none_or(Value::is_null) {
        fields.insert(name.to_owned(), Value::Object(Fields::new()));
    }
    fields.get_mut(name)?.as_object_mut()
}

/// The list in field `name`, made where it is missing or null; `None` where something else is there.
pub(crate) fn list_entry<'v>(fields: &'v mut Fields, name: &str) -> Option<&'v mut Vec<Value>> {
    if fields.get(name).is_none_or(Value::is_null) {
        fields.insert(name.to_owned(), Value::Array(Vec::new()));
    }
    fields.get_mut(name)?.as_array_mut()
}

/// Whether `fields` has every one of `labels` under `metadata.labels`.
pub(crate) fn has_labels<'l>(fields: &Fields, mut labels: impl Iterator<Item = (&'l str, &'l str)>) -> bool {
    let own = get_object(fields, &["metadata", "labels"]);
    labels.all(|(key, value)| own.and_then(|own| own.get(key)).and_then(Value::as_str) == Some(value))
}
