//! HostPath Volumes: files of the node.

use crate::validate::pod_security::control::{Control, Level, Revision};
use crate::validate::pod_security::fields::{PodFields, Read};
use crate::validate::pod_security::findings::Findings;

/// Baseline, "HostPath Volumes".
pub(super) static CONTROL: Control =
    Control { id: "hostPathVolumes", level: Level::Baseline, revisions: &[Revision::since(0, check)] };

fn check(pod: &PodFields<'_>, findings: &mut Findings<'_>) {
    pod.spec().for_each_named(&["volumes"], findings, |volume, findings| {
        if let Read::Is(_) = volume.read(&["hostPath"], findings) {
            findings.violation(volume.path(&["hostPath"]), "hostPath", "be another type of volume");
        }
    });
}
