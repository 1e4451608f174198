//! Running as Non-root user: user 0 is named nowhere, except where it is nobody on the node (KEP-127).

use serde_json::Value;

use crate::validate::pod_security::control::{Control, Level, Revision};
use crate::validate::pod_security::fields::{PodFields, Read};
use crate::validate::pod_security::findings::{Findings, Shown};

/// Restricted, "Running as Non-root user".
pub(super) static CONTROL: Control = Control {
    id: "runAsUser",
    level: Level::Restricted,
    revisions: &[Revision::since(23, since_1_23), Revision::since(35, since_1_35)],
};

const PATH: [&str; 2] = ["securityContext", "runAsUser"];
const MUST: &str = "be other than 0, or unset";

fn since_1_23(pod: &PodFields<'_>, findings: &mut Findings<'_>) {
    let is_no_root = |value: &Value| value.as_i64().is_some_and(|user| user != 0);
    pod.spec().check(&PATH, is_no_root, MUST, findings);
    pod.for_each_container(findings, |container, findings| {
        if let Read::Is(value) = container.at().read(&PATH, findings)
            && !is_no_root(value)
            && !container.may_redirect_traffic()
        {
            findings.violation(container.at().path(&PATH), Shown(value), MUST);
        }
    });
}

fn since_1_35(pod: &PodFields<'_>, findings: &mut Findings<'_>) {
    if !pod.has_user_namespace() {
        since_1_23(pod, findings);
    }
}
