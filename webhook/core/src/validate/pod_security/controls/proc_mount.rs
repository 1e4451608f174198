//! /proc Mount Type: what of `/proc` is masked stays masked, except where root is nobody on the node (KEP-4265).

use serde_json::Value;

use crate::validate::pod_security::control::{Control, Level, Revision};
use crate::validate::pod_security::fields::PodFields;
use crate::validate::pod_security::findings::Findings;

/// Baseline, "/proc Mount Type".
pub(super) static CONTROL: Control = Control {
    id: "procMount",
    level: Level::Baseline,
    revisions: &[Revision::since(0, check_masked), Revision::since(35, since_1_35)],
};

pub(super) fn check_masked(pod: &PodFields<'_>, findings: &mut Findings<'_>) {
    pod.for_each_container(findings, |container, findings| {
        let is_default = |value: &Value| value.as_str() == Some("Default");
        container.at().check(&["securityContext", "procMount"], is_default, "be Default or unset", findings);
    });
}

fn since_1_35(pod: &PodFields<'_>, findings: &mut Findings<'_>) {
    if !pod.has_user_namespace() {
        check_masked(pod, findings);
    }
}
