//! Capabilities: all are dropped, and only the one for ports below 1024 is added.

use crate::validate::pod_security::capabilities::check_added;
use crate::validate::pod_security::control::{Control, Level, Revision};
use crate::validate::pod_security::fields::{PodFields, Read};
use crate::validate::pod_security::findings::{Findings, ShownList};

/// Restricted, "Capabilities".
pub(super) static CONTROL: Control = Control {
    id: "capabilities_restricted",
    level: Level::Restricted,
    revisions: &[
        Revision::since(22, since_1_22).overriding(&["capabilities_baseline"]),
        Revision::since(25, since_1_25).overriding(&["capabilities_baseline"]),
    ],
};

const DROP: [&str; 3] = ["securityContext", "capabilities", "drop"];

fn since_1_22(pod: &PodFields<'_>, findings: &mut Findings<'_>) {
    pod.for_each_container(findings, |container, findings| {
        match container.at().read_list(&DROP, findings) {
            Read::Unreadable => {}
            Read::Is(dropped) if dropped.iter().any(|value| value.as_str() == Some("ALL")) => {}
            Read::Is(dropped @ [_, ..]) => {
                findings.violation(container.at().path(&DROP), ShownList(dropped.iter()), "drop ALL");
            }
            Read::Unset | Read::Is([]) => {
                findings.violation(container.at().path(&DROP), "none", "drop ALL");
            }
        }
        check_added(container, &["NET_BIND_SERVICE"], "add only NET_BIND_SERVICE", findings);
    });
}

fn since_1_25(pod: &PodFields<'_>, findings: &mut Findings<'_>) {
    if !pod.is_windows() {
        since_1_22(pod, findings);
    }
}
