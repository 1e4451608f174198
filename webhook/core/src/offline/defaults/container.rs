//! The defaults of a container.

use serde_json::Value;

use super::{
    for_each, handler, image_pull_policy, is_zero, object, resource_list, set_missing, set_zero, volume,
};
use crate::object::{Fields, get_str, object_entry};

/// What every container gets.
pub(super) fn apply(container: &mut Fields) {
    let image = get_str(container, &["image"]).unwrap_or_default();
    let policy = image_pull_policy::of(image);
    set_zero(container, "imagePullPolicy", policy);
    set_zero(container, "terminationMessagePath", "/dev/termination-log");
    set_zero(container, "terminationMessagePolicy", "File");
    for_each(container, "ports", |port| set_zero(port, "protocol", "TCP"));
    for_each(container, "env", |variable| {
        let Some(source) = object(variable, "valueFrom") else { return };
        volume::field_refs(source);
        if let Some(key) = object(source, "fileKeyRef") {
            set_missing(key, "optional", false);
        }
    });
    if let Some(resources) = object_entry(container, "resources") {
        resource_list::apply(resources, "limits");
        resource_list::apply(resources, "requests");
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = object(container, probe) {
            handler::probe(probe);
        }
    }
    if let Some(lifecycle) = object(container, "lifecycle") {
        for hook in ["postStart", "preStop"] {
            if let Some(hook) = object(lifecycle, hook) {
                handler::http_get(hook);
            }
        }
    }
}

/// Requests what is limited and not requested.
pub(super) fn requests_of_limits(container: &mut Fields) {
    let Some(resources) = object(container, "resources") else { return };
    let Some(limits) = resources.get("limits").and_then(Value::as_object).cloned() else { return };
    if limits.is_empty() {
        return;
    }
    if let Some(requests) = object_entry(resources, "requests") {
        for (name, limit) in limits {
            requests.entry(name).or_insert(limit);
        }
    }
}

/// In the host's network, a container's port is the host's.
pub(super) fn host_ports(container: &mut Fields) {
    for_each(container, "ports", |port| {
        if is_zero(port.get("hostPort"))
            && let Some(own) = port.get("containerPort").cloned()
        {
            port.insert("hostPort".to_owned(), own);
        }
    });
}
