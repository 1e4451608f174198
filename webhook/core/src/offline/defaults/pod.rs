//! The defaults of a pod's spec.

use super::{container, for_each, object, pod_resources, resource_list, set_missing, set_zero, volume};
use crate::object::{CONTAINER_LISTS, ContainerList, Fields, get, get_str, object_entry};

/// What a Pod's spec gets and a template's does not (SetDefaults_Pod); it comes first.
pub(super) fn apply_to_pod(spec: &mut Fields) {
    let on_host = get(spec, &["hostNetwork"]).is_some_and(|value| value == true);
    for list in [ContainerList::Init, ContainerList::Containers] {
        for_each(spec, list.field(), |container| {
            container::requests_of_limits(container);
            if on_host {
                container::host_ports(container);
            }
        });
    }
    pod_resources::apply(spec);
    set_missing(spec, "enableServiceLinks", true);
    let grace = get(spec, &["terminationGracePeriodSeconds"]).and_then(serde_json::Value::as_i64);
    if grace.is_some_and(|seconds| seconds < 0) {
        // Convert_v1_Pod_To_core_Pod: a pod's, and not a template's.
        spec.insert("terminationGracePeriodSeconds".to_owned(), 1.into());
    }
}

/// What every pod's spec gets (SetDefaults_PodSpec, and the defaults of what is in it).
pub(super) fn apply(spec: &mut Fields) {
    set_zero(spec, "dnsPolicy", "ClusterFirst");
    set_zero(spec, "restartPolicy", "Always");
    set_zero(spec, "schedulerName", "default-scheduler");
    set_missing(spec, "terminationGracePeriodSeconds", 30);
    object_entry(spec, "securityContext");
    service_account(spec);
    for_each(spec, "volumes", volume::apply);
    for list in CONTAINER_LISTS {
        for_each(spec, list.field(), container::apply);
    }
    resource_list::apply(spec, "overhead");
    if let Some(resources) = object(spec, "resources") {
        resource_list::apply(resources, "limits");
        resource_list::apply(resources, "requests");
    }
}

/// `serviceAccount` is an old name of `serviceAccountName`, which wins (Convert_v1_PodSpec_To_core_PodSpec).
fn service_account(spec: &mut Fields) {
    let name = ["serviceAccountName", "serviceAccount"]
        .into_iter()
        .find_map(|field| get_str(spec, &[field]).filter(|name| !name.is_empty()))
        .map(str::to_owned);
    if let Some(name) = name {
        spec.insert("serviceAccountName".to_owned(), name.clone().into());
        spec.insert("serviceAccount".to_owned(), name.into());
    }
}
