//! Host Ports: ports of the node's own addresses.

use crate::validate::pod_security::control::{Control, Level, Revision};
use crate::validate::pod_security::fields::PodFields;
use crate::validate::pod_security::findings::Findings;

/// Baseline, "Host Ports".
pub(super) static CONTROL: Control =
    Control { id: "hostPorts", level: Level::Baseline, revisions: &[Revision::since(0, check)] };

fn check(pod: &PodFields<'_>, findings: &mut Findings<'_>) {
    pod.for_each_container(findings, |container, findings| {
        container.at().for_each(&["ports"], findings, |port, findings| {
            port.check(&["hostPort"], |value| value.as_i64() == Some(0), "be 0 or unset", findings);
        });
    });
}
