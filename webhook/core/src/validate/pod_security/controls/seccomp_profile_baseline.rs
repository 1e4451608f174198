//! Seccomp: the runtime's profile or one of the node's, where one is set (KEP-135).

use crate::validate::pod_security::control::{Control, Level, Revision};
use crate::validate::pod_security::fields::PodFields;
use crate::validate::pod_security::findings::{Cut, Findings, Shown};
use crate::validate::pod_security::profile::sets_profile;

/// Baseline, "Seccomp".
pub(super) static CONTROL: Control = Control {
    id: "seccompProfile_baseline",
    level: Level::Baseline,
    revisions: &[Revision::since(0, since_1_0).reading(&[POD, CONTAINER]), Revision::since(19, since_1_19)],
};

/// The annotation of the pod.
const POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
/// What the keys of the annotations of containers begin with; the container's name follows.
const CONTAINER: &str = "container.seccomp.security.alpha.kubernetes.io/";

/// The annotations, which Kubernetes 1.19 replaced by fields and 1.27 ceased to heed.
fn since_1_0(pod: &PodFields<'_>, findings: &mut Findings<'_>) {
    pod.for_each_annotation(findings, |key, value, findings| {
        let is_allowed = value.as_str().is_some_and(|profile| {
            matches!(profile, "runtime/default" | "docker/default") || profile.starts_with("localhost/")
        });
        let of_container = || key.strip_prefix(CONTAINER).is_some_and(|name| pod.has_container(name));
        if !is_allowed && (key == POD || of_container()) {
            let path = format_args!("metadata.annotations[{}]", Cut(key));
            findings.violation(
                path,
                Shown(value),
                "be runtime/default, docker/default, localhost/* or unset",
            );
        }
    });
}

fn since_1_19(pod: &PodFields<'_>, findings: &mut Findings<'_>) {
    sets_profile(pod.spec(), "seccompProfile", findings);
    pod.for_each_container(findings, |container, findings| {
        sets_profile(container.at(), "seccompProfile", findings);
    });
}
