//! Privilege Escalation: no process gains what its parent doesn't have, by set-user-ID files or otherwise.

use serde_json::Value;

use crate::validate::pod_security::control::{Control, Level, Revision};
use crate::validate::pod_security::fields::PodFields;
use crate::validate::pod_security::findings::Findings;

/// Restricted, "Privilege Escalation".
pub(super) static CONTROL: Control = Control {
    id: "allowPrivilegeEscalation",
    level: Level::Restricted,
    revisions: &[Revision::since(8, since_1_8), Revision::since(25, since_1_25)],
};

fn since_1_8(pod: &PodFields<'_>, findings: &mut Findings<'_>) {
    pod.for_each_container(findings, |container, findings| {
        let is_false = |value: &Value| *value == Value::Bool(false);
        let path = ["securityContext", "allowPrivilegeEscalation"];
        container.at().demand(&path, is_false, "be false", findings);
    });
}

fn since_1_25(pod: &PodFields<'_>, findings: &mut Findings<'_>) {
    if !pod.is_windows() {
        since_1_8(pod, findings);
    }
}
