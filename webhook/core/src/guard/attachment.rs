//! What attaches the filter to proxies: Istio's resources, which Sallyport makes of TrafficPolicies.

use sallyport_policy::{ATTACHMENT_PREFIX, FieldPath, MANAGED_BY};
use serde_json::Value;

use crate::object::{Fields, get, get_str};
use crate::{Finding, GroupVersionKind, Mode, Operation, Request, Source};

/// The group and kind of each.
const KINDS: [(&str, &str); 3] = [
    ("networking.istio.io", "EnvoyFilter"),
    ("extensions.istio.io", "WasmPlugin"),
    ("extensions.istio.io", "TrafficExtension"),
];

/// Who removes what belongs to something that is gone. A controller manager that was not told to give its controllers
/// accounts of their own does it under its own name.
pub const CONTROL_PLANE: [&str; 3] = [
    "system:serviceaccount:kube-system:generic-garbage-collector",
    "system:serviceaccount:kube-system:namespace-controller",
    "system:kube-controller-manager",
];

/// Whether objects of this kind may attach the filter.
#[must_use]
pub fn is_attachment(kind: &GroupVersionKind) -> bool {
    KINDS.iter().any(|(group, name)| kind.group == *group && kind.kind == *name)
}

/// What is wrong with a request where somebody else than `account`, which is Sallyport's own, changes what attaches the
/// filter, or has proxies do something about it.
#[must_use]
pub fn meddling(request: &Request, account: &str) -> Option<Finding> {
    let user = request.user_info.username.as_str();
    if !is_attachment(&request.kind) || user == account || CONTROL_PLANE.contains(&user) {
        return None;
    }
    let finding = |path: String, message: String| {
        Some(Finding { source: Source::whole(&request.name), mode: Mode::Enforce, path, message })
    };
    let (new, old) = (request.object.as_object(), request.old_object.as_object());
    if new.into_iter().chain(old).any(is_ours) {
        let message = format!(
            "found a change by {user} of what attaches Sallyport's filter, by its name or its label; wanted the \
             TrafficPolicy changed of which Sallyport makes it"
        );
        return finding("metadata".to_owned(), message);
    }
    let spec = |object: Option<&Fields>| object.and_then(|object| get(object, &["spec"])).cloned();
    let (new, old) = (spec(new), spec(old));
    // What was there before may go, and have its labels changed.
    if request.operation == Operation::Delete || new == old {
        return None;
    }
    let path = mention(new.as_ref()?, FieldPath::of("spec"))?;
    let message = "found the name of Sallyport's filter; wanted nobody but Sallyport to configure it, by TrafficPolicies";
    finding(path.to_string(), message.to_owned())
}

fn is_ours(object: &Fields) -> bool {
    let (label, value) = MANAGED_BY;
    get_str(object, &["metadata", "name"]).is_some_and(|name| name.starts_with(ATTACHMENT_PREFIX))
        || get_str(object, &["metadata", "labels", label]) == Some(value)
}

/// The first place at which a text names the filter: its module, its virtual machine, its configuration or its own
/// resources all do.
fn mention(value: &Value, path: FieldPath) -> Option<FieldPath> {
    let names = |text: &str| text.to_ascii_lowercase().contains("sallyport");
    match value {
        Value::String(text) => names(text).then_some(path),
        Value::Array(items) => items.iter().enumerate().find_map(|(i, item)| mention(item, path.index(i))),
        Value::Object(fields) => fields.iter().find_map(|(field, value)| {
            let path = path.field(field.clone());
            if names(field) { Some(path) } else { mention(value, path) }
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}
