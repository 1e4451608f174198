//! The static defaults of the nine kinds that hold a pod.
//!
//! After the generated `SetObjectDefaults_*` functions of Kubernetes 1.36 (pkg/apis/{core,apps,batch}/v1
//! zz_generated.defaults.go and defaults.go), and after what converting to the internal version and back
//! adds.

mod canonical_quantity;
mod container;
mod handler;
mod image_pull_policy;
mod pod;
mod pod_resources;
mod resource_list;
mod volume;
mod workload;

use serde_json::Value;

use crate::PodBearing;
use crate::object::{Fields, object_entry};

/// Gives an object what the API server's static defaulting gives it before any admission plugin sees it.
///
/// Nothing is checked, and what is not shaped as its kind stays as it is: refusing it is for validation. A
/// field that is null, or empty where Go takes empty for unset, counts as missing. Amounts are written in
/// their canonical form, as they are in every object that the API server hands on. The rest of its reading
/// and writing stays undone, since no policy could mean it: fields that it does not know are kept, as are
/// those that were written with their zero value (`hostNetwork: false`), and an empty `status` or a
/// DaemonSet's `deprecated.daemonset.template.generation` is not added.
///
/// What admission plugins add (service account, tolerations, priority, LimitRange) and what the storage adds
/// after the webhooks (uid, generation, a Job's selector) is not static, so not here.
pub fn apply_defaults(kind: PodBearing, object: &mut Value) {
    let Some(fields) = object.as_object_mut() else { return };
    workload::apply(kind, fields);
    let mut template = fields;
    for field in kind.template() {
        let Some(inner) = template.get_mut(*field).and_then(Value::as_object_mut) else { return };
        template = inner;
    }
    object_entry(template, "metadata");
    if let Some(spec) = template.get_mut("spec").and_then(Value::as_object_mut) {
        if kind == PodBearing::Pod {
            pod::apply_to_pod(spec);
        }
        pod::apply(spec);
    }
}

/// Sets a field that is missing or null.
fn set_missing(fields: &mut Fields, name: &str, value: impl Into<Value>) {
    if fields.get(name).is_none_or(Value::is_null) {
        fields.insert(name.to_owned(), value.into());
    }
}

/// Sets a field that is missing, null, or the zero value of its type: where Go has no pointer, that means
/// unset.
fn set_zero(fields: &mut Fields, name: &str, value: impl Into<Value>) {
    if is_zero(fields.get(name)) {
        fields.insert(name.to_owned(), value.into());
    }
}

/// Whether a field is missing, null, or the zero value of its type.
fn is_zero(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::Bool(value)) => !value,
        Some(Value::Number(value)) => value.as_i64() == Some(0),
        Some(Value::String(value)) => value.is_empty(),
        Some(Value::Array(value)) => value.is_empty(),
        Some(Value::Object(value)) => value.is_empty(),
    }
}

/// Calls `each` with every element of the list in field `name` that is an object.
fn for_each(fields: &mut Fields, name: &str, each: impl FnMut(&mut Fields)) {
    let list = fields.get_mut(name).and_then(Value::as_array_mut);
    list.into_iter().flatten().filter_map(Value::as_object_mut).for_each(each);
}

/// The object in field `name`, where there is one.
fn object<'v>(fields: &'v mut Fields, name: &str) -> Option<&'v mut Fields> {
    fields.get_mut(name)?.as_object_mut()
}
