//! Seccomp: the runtime's profile or one of the node's, set for every container (KEP-135).

use crate::validate::pod_security::control::{Control, Level, Revision};
use crate::validate::pod_security::fields::PodFields;
use crate::validate::pod_security::findings::Findings;
use crate::validate::pod_security::profile::sets_profile;

/// Restricted, "Seccomp".
pub(super) static CONTROL: Control = Control {
    id: "seccompProfile_restricted",
    level: Level::Restricted,
    revisions: &[
        Revision::since(19, since_1_19).overriding(&["seccompProfile_baseline"]),
        Revision::since(25, since_1_25).overriding(&["seccompProfile_baseline"]),
    ],
};

fn since_1_19(pod: &PodFields<'_>, findings: &mut Findings<'_>) {
    // Where the pod's own is wrong, it is the one to blame for containers that have none.
    let of_pod = sets_profile(pod.spec(), "seccompProfile", findings);
    pod.for_each_container(findings, |container, findings| {
        if !sets_profile(container.at(), "seccompProfile", findings) && !of_pod {
            let path = container.at().path(&["securityContext", "seccompProfile", "type"]);
            let must = "be RuntimeDefault or Localhost, here or in spec.securityContext";
            findings.violation(path, "unset", must);
        }
    });
}

fn since_1_25(pod: &PodFields<'_>, findings: &mut Findings<'_>) {
    if !pod.is_windows() {
        since_1_19(pod, findings);
    }
}
