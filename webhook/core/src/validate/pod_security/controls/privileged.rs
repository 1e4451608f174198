//! Privileged Containers: they have what the node has.

use serde_json::Value;

use crate::validate::pod_security::control::{Control, Level, Revision};
use crate::validate::pod_security::fields::PodFields;
use crate::validate::pod_security::findings::Findings;

/// Baseline, "Privileged Containers".
pub(super) static CONTROL: Control =
    Control { id: "privileged", level: Level::Baseline, revisions: &[Revision::since(0, check)] };

fn check(pod: &PodFields<'_>, findings: &mut Findings<'_>) {
    pod.for_each_container(findings, |container, findings| {
        let is_false = |value: &Value| *value == Value::Bool(false);
        container.at().check(&["securityContext", "privileged"], is_false, "be false or unset", findings);
    });
}
