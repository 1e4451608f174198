//! What the StatefulSet controller makes of a template (pkg/controller/statefulset,
//! newVersionedStatefulSetPod).

use serde_json::{Value, json};

use super::{Draft, HASH, Workload};
use crate::object::{get, get_list, get_object, get_str, list_entry, name_of};

/// Gives the first pod its identity, and its claims as volumes.
pub(super) fn complete(pod: &mut Draft, set: &Workload<'_>) {
    let ordinal = get(set.spec, &["ordinals", "start"]).and_then(Value::as_i64).unwrap_or(0);
    let name = format!("{}-{ordinal}", set.name);
    pod.metadata.insert("name".to_owned(), name.as_str().into());
    pod.set_label("statefulset.kubernetes.io/pod-name", name.as_str());
    pod.set_label("apps.kubernetes.io/pod-index", ordinal.to_string());
    pod.set_label("controller-revision-hash", format!("{}-{HASH}", set.name));
    match get_str(set.spec, &["serviceName"]) {
        Some(service) => pod.spec.insert("subdomain".to_owned(), service.into()),
        None => pod.spec.remove("subdomain"),
    };
    pod.spec.insert("hostname".to_owned(), name.into());

    // A claim takes the place of a volume of its name.
    let claims: Vec<&str> = get_list(set.spec, &["volumeClaimTemplates"])
        .iter()
        .filter_map(|claim| get_str(get_object(claim.as_object()?, &["metadata"])?, &["name"]))
        .collect();
    if claims.is_empty() {
        return;
    }
    if let Some(volumes) = list_entry(&mut pod.spec, "volumes") {
        volumes.retain(|volume| !claims.contains(&name_of(volume)));
        let of_claims = claims.iter().map(|claim| {
            let claim_name = format!("{claim}-{}-{ordinal}", set.name);
            json!({"name": claim, "persistentVolumeClaim": {"claimName": claim_name}})
        });
        volumes.splice(0..0, of_claims);
    }
}
