//! Sysctls: only those that stay within the pod.

use serde_json::Value;

use crate::validate::pod_security::control::{Control, Level, Revision};
use crate::validate::pod_security::fields::PodFields;
use crate::validate::pod_security::findings::Findings;

/// Baseline, "Sysctls".
pub(super) static CONTROL: Control = Control {
    id: "sysctls",
    level: Level::Baseline,
    revisions: &[
        Revision::since(0, |pod, findings| check(pod, &[&SINCE_1_0], findings)),
        Revision::since(27, |pod, findings| check(pod, &[&SINCE_1_0, &SINCE_1_27], findings)),
        Revision::since(29, |pod, findings| check(pod, &[&SINCE_1_0, &SINCE_1_27, &SINCE_1_29], findings)),
        Revision::since(32, |pod, findings| {
            check(pod, &[&SINCE_1_0, &SINCE_1_27, &SINCE_1_29, &SINCE_1_32], findings);
        }),
    ],
};

const SINCE_1_0: [&str; 5] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_syncookies",
];
const SINCE_1_27: [&str; 1] = ["net.ipv4.ip_local_reserved_ports"];
const SINCE_1_29: [&str; 4] = [
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
];
const SINCE_1_32: [&str; 2] = ["net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"];

fn check(pod: &PodFields<'_>, safe: &[&[&str]], findings: &mut Findings<'_>) {
    let is_safe =
        |value: &Value| value.as_str().is_some_and(|name| safe.iter().any(|names| names.contains(&name)));
    pod.spec().for_each(&["securityContext", "sysctls"], findings, |sysctl, findings| {
        sysctl.demand(&["name"], is_safe, format_args!("be {}", OneOf(safe)), findings);
    });
}

/// The names, separated by commas.
struct OneOf<'s>(&'s [&'s [&'s str]]);

impl std::fmt::Display for OneOf<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("one of ")?;
        for (i, name) in self.0.iter().copied().flatten().enumerate() {
            write!(f, "{}{name}", if i == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}
