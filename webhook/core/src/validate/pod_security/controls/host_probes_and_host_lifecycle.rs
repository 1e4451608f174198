//! Host Probes / Lifecycle Hooks: the kubelet asks another host than the pod, with the node's network (KEP-4940).

use serde_json::Value;

use crate::validate::pod_security::control::{Control, Level, Revision};
use crate::validate::pod_security::fields::PodFields;
use crate::validate::pod_security::findings::Findings;

/// Baseline, "Host Probes / Lifecycle Hooks".
pub(super) static CONTROL: Control = Control {
    id: "hostProbesAndHostLifecycle",
    level: Level::Baseline,
    revisions: &[Revision::since(34, check)],
};

/// The handlers that name a host; `tcpSocket` does nothing in a hook any more, and is judged there too.
const HANDLERS: [&str; 2] = ["httpGet", "tcpSocket"];

fn check(pod: &PodFields<'_>, findings: &mut Findings<'_>) {
    let is_empty = |value: &Value| value.as_str() == Some("");
    pod.for_each_container(findings, |container, findings| {
        let mut check = |path: &[&str]| container.at().check(path, is_empty, "be empty or unset", findings);
        for handler in HANDLERS {
            for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
                check(&[probe, handler, "host"]);
            }
            for hook in ["postStart", "preStop"] {
                check(&["lifecycle", hook, handler, "host"]);
            }
        }
    });
}
