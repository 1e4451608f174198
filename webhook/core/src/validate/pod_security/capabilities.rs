//! The capabilities that a container adds.

use serde_json::Value;

use super::fields::{ContainerFields, Read};
use super::findings::{Findings, ShownList};

/// What a mesh's own containers may add beside what all may.
const MESH_S_OWN: [&str; 2] = ["NET_ADMIN", "NET_RAW"];

const ADD: [&str; 3] = ["securityContext", "capabilities", "add"];

/// Reports the capabilities that a container adds and that are not `allowed`.
pub(super) fn check_added(
    container: &ContainerFields<'_>,
    allowed: &[&str],
    must: &str,
    findings: &mut Findings<'_>,
) {
    let Read::Is(added) = container.at().read_list(&ADD, findings) else { return };
    let is_one_of = |names: &[&str], value: &Value| value.as_str().is_some_and(|name| names.contains(&name));
    if added.iter().all(|value| is_one_of(allowed, value)) {
        return;
    }
    let more: &[&str] = if container.may_redirect_traffic() { &MESH_S_OWN } else { &[] };
    let wrong = added.iter().filter(|value| !is_one_of(allowed, value) && !is_one_of(more, value));
    if wrong.clone().next().is_some() {
        findings.violation(container.at().path(&ADD), ShownList(wrong), must);
    }
}
