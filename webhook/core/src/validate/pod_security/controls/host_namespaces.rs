//! Host Namespaces: the node's network, processes and shared memory.

use serde_json::Value;

use crate::validate::pod_security::control::{Control, Level, Revision};
use crate::validate::pod_security::fields::PodFields;
use crate::validate::pod_security::findings::Findings;

/// Baseline, "Host Namespaces".
pub(super) static CONTROL: Control =
    Control { id: "hostNamespaces", level: Level::Baseline, revisions: &[Revision::since(0, check)] };

fn check(pod: &PodFields<'_>, findings: &mut Findings<'_>) {
    let is_false = |value: &Value| *value == Value::Bool(false);
    for field in ["hostNetwork", "hostPID", "hostIPC"] {
        pod.spec().check(&[field], is_false, "be false or unset", findings);
    }
}
