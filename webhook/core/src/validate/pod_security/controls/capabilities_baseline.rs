//! Capabilities: none beyond those that container runtimes give, and not NET_RAW.

use crate::validate::pod_security::capabilities::check_added;
use crate::validate::pod_security::control::{Control, Level, Revision};
use crate::validate::pod_security::fields::PodFields;
use crate::validate::pod_security::findings::Findings;

/// Baseline, "Capabilities".
pub(super) static CONTROL: Control =
    Control { id: "capabilities_baseline", level: Level::Baseline, revisions: &[Revision::since(0, check)] };

const ALLOWED: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

const MUST: &str = "add only AUDIT_WRITE, CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, MKNOD, NET_BIND_SERVICE, \
                    SETFCAP, SETGID, SETPCAP, SETUID, SYS_CHROOT";

fn check(pod: &PodFields<'_>, findings: &mut Findings<'_>) {
    pod.for_each_container(findings, |container, findings| check_added(container, &ALLOWED, MUST, findings));
}
