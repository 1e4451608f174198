//! Running as Non-root: nobody's process is root's, except where root is nobody on the node (KEP-127).

use serde_json::Value;

use crate::validate::pod_security::control::{Control, Level, Revision};
use crate::validate::pod_security::fields::{PodFields, Read};
use crate::validate::pod_security::findings::{Findings, Shown};

/// Restricted, "Running as Non-root".
pub(super) static CONTROL: Control = Control {
    id: "runAsNonRoot",
    level: Level::Restricted,
    revisions: &[Revision::since(0, since_1_0), Revision::since(35, since_1_35)],
};

const PATH: [&str; 2] = ["securityContext", "runAsNonRoot"];

fn since_1_0(pod: &PodFields<'_>, findings: &mut Findings<'_>) {
    let of_pod = pod.spec().read(&PATH, findings);
    if let Read::Is(value) = of_pod
        && *value != Value::Bool(true)
    {
        findings.violation(pod.spec().path(&PATH), Shown(value), "be true");
    }
    pod.for_each_container(findings, |container, findings| {
        let at = container.at();
        match (at.read(&PATH, findings), of_pod) {
            (Read::Is(Value::Bool(true)) | Read::Unreadable, _) => {}
            // The pod's field covers the container, or is the one to blame.
            (Read::Unset, Read::Is(_) | Read::Unreadable) => {}
            _ if container.may_redirect_traffic() => {}
            (Read::Is(value), _) => findings.violation(at.path(&PATH), Shown(value), "be true"),
            (Read::Unset, Read::Unset) => {
                findings.violation(at.path(&PATH), "unset", "be true, here or in spec.securityContext");
            }
        }
    });
}

fn since_1_35(pod: &PodFields<'_>, findings: &mut Findings<'_>) {
    if !pod.has_user_namespace() {
        since_1_0(pod, findings);
    }
}
