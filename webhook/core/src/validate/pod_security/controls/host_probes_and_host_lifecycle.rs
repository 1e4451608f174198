//! Host Probes / Lifecycle Hooks: the kubelet asks another host than the pod, with the node's network (KEP-4940).

use serde_json::Value;

use crate::validate::pod_security::control::{Control, Level, Revision};
use crate::validate::pod_security::fields::{PodFields, Read};
use crate::validate::pod_security::findings::Findings;

/// Baseline, "Host Probes / Lifecycle Hooks".
pub(super) static CONTROL: Control = Control {
    id: "hostProbesAndHostLifecycle",
    level: Level::Baseline,
    revisions: &[Revision::since(34, check)],
};

const PROBES: [&str; 3] = ["livenessProbe", "readinessProbe", "startupProbe"];
const HOOKS: [&str; 2] = ["postStart", "preStop"];
/// The handlers that name a host; `tcpSocket` does nothing in a hook any more, and is judged there too.
const HANDLERS: [&str; 2] = ["httpGet", "tcpSocket"];

fn check(pod: &PodFields<'_>, findings: &mut Findings<'_>) {
    let is_empty = |value: &Value| value.as_str() == Some("");
    pod.for_each_container(findings, |container, findings| {
        let at = container.at();
        for probe in PROBES {
            if let Read::Is(_) = at.read(&[probe], findings) {
                for handler in HANDLERS {
                    at.check(&[probe, handler, "host"], is_empty, "be empty or unset", findings);
                }
            }
        }
        if let Read::Is(_) = at.read(&["lifecycle"], findings) {
            for hook in HOOKS {
                for handler in HANDLERS {
                    at.check(&["lifecycle", hook, handler, "host"], is_empty, "be empty or unset", findings);
                }
            }
        }
    });
}
