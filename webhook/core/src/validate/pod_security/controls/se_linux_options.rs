//! SELinux: types that confine a container, and no user or role.

use serde_json::Value;

use crate::validate::pod_security::control::{Control, Level, Revision};
use crate::validate::pod_security::fields::{At, PodFields, Read};
use crate::validate::pod_security::findings::Findings;

/// Baseline, "SELinux".
pub(super) static CONTROL: Control = Control {
    id: "seLinuxOptions",
    level: Level::Baseline,
    revisions: &[Revision::since(0, since_1_0), Revision::since(31, since_1_31)],
};

fn since_1_0(pod: &PodFields<'_>, findings: &mut Findings<'_>) {
    let types = ["", "container_t", "container_init_t", "container_kvm_t"];
    check(pod, &types, "be container_t, container_init_t, container_kvm_t or unset", findings);
}

fn since_1_31(pod: &PodFields<'_>, findings: &mut Findings<'_>) {
    let types = ["", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"];
    let must = "be container_t, container_init_t, container_kvm_t, container_engine_t or unset";
    check(pod, &types, must, findings);
}

fn check(pod: &PodFields<'_>, types: &[&str], must: &str, findings: &mut Findings<'_>) {
    let check = |at: &At<'_>, findings: &mut Findings<'_>| {
        let Read::Is(_) = at.read(&["securityContext", "seLinuxOptions"], findings) else { return };
        let path = |field| ["securityContext", "seLinuxOptions", field];
        let is_allowed = |value: &Value| value.as_str().is_some_and(|text| types.contains(&text));
        at.check(&path("type"), is_allowed, must, findings);
        for field in ["user", "role"] {
            at.check(&path(field), |value| value.as_str() == Some(""), "be unset", findings);
        }
    };
    check(pod.spec(), findings);
    pod.for_each_container(findings, |container, findings| check(container.at(), findings));
}
