//! HostProcess: containers on Windows that are processes of the node (KEP-1981).

use serde_json::Value;

use crate::validate::pod_security::control::{Control, Level, Revision};
use crate::validate::pod_security::fields::{At, PodFields};
use crate::validate::pod_security::findings::Findings;

/// Baseline, "HostProcess".
pub(super) static CONTROL: Control =
    Control { id: "windowsHostProcess", level: Level::Baseline, revisions: &[Revision::since(0, check)] };

fn check(pod: &PodFields<'_>, findings: &mut Findings<'_>) {
    let check = |at: &At<'_>, findings: &mut Findings<'_>| {
        let path = ["securityContext", "windowsOptions", "hostProcess"];
        at.check(&path, |value| *value == Value::Bool(false), "be false or unset", findings);
    };
    check(pod.spec(), findings);
    pod.for_each_container(findings, |container, findings| check(container.at(), findings));
}
