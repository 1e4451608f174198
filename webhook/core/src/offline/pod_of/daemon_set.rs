//! What the DaemonSet controller makes of a template (pkg/controller/daemon/util).

use serde_json::{Value, json};

use super::{Draft, HASH, Workload};
use crate::object::{Fields, get, get_str, list_entry, object_entry};

/// Stands in for the node that the pod is for.
const NODE: &str = "node";

/// Ties the pod to its node, through whatever happens to that.
pub(super) fn complete(pod: &mut Draft, set: &Workload<'_>) {
    let generation =
        get_str(set.fields, &["metadata", "annotations", "deprecated.daemonset.template.generation"]);
    // The API server starts with 1 when the DaemonSet is stored.
    pod.set_label("pod-template-generation", generation.filter(|g| *g != "0").unwrap_or("1"));
    pod.set_label("controller-revision-hash", HASH);
    tolerate(&mut pod.spec);
    require_node(&mut pod.spec);
}

/// AddOrUpdateDaemonPodTolerations.
fn tolerate(spec: &mut Fields) {
    let mut taints = vec![
        ("not-ready", "NoExecute"),
        ("unreachable", "NoExecute"),
        ("disk-pressure", "NoSchedule"),
        ("memory-pressure", "NoSchedule"),
        ("pid-pressure", "NoSchedule"),
        ("unschedulable", "NoSchedule"),
    ];
    if get(spec, &["hostNetwork"]).is_some_and(|value| value == true) {
        taints.push(("network-unavailable", "NoSchedule"));
    }
    let Some(tolerations) = list_entry(spec, "tolerations") else { return };
    for (taint, effect) in taints {
        let toleration =
            json!({"key": format!("node.kubernetes.io/{taint}"), "operator": "Exists", "effect": effect});
        // The same but for how long.
        let mut same = tolerations.iter_mut().filter(|own| tolerates_same(own, &toleration)).peekable();
        if same.peek().is_none() {
            tolerations.push(toleration);
        } else {
            same.for_each(|own| *own = toleration.clone());
        }
    }
}

fn tolerates_same(own: &Value, toleration: &Value) -> bool {
    let text =
        |value: &Value, field: &str| value.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    ["key", "operator", "value", "effect"].iter().all(|field| text(own, field) == text(toleration, field))
}

/// ReplaceDaemonSetPodNodeNameNodeAffinity.
fn require_node(spec: &mut Fields) {
    let required = object_entry(spec, "affinity")
        .and_then(|affinity| object_entry(affinity, "nodeAffinity"))
        .and_then(|affinity| object_entry(affinity, "requiredDuringSchedulingIgnoredDuringExecution"));
    if let Some(required) = required {
        let this_node = json!({"key": "metadata.name", "operator": "In", "values": [NODE]});
        required.insert("nodeSelectorTerms".to_owned(), json!([{"matchFields": [this_node]}]));
    }
}
