//! Volume Types: those that neither reach into the node nor are set up with the node's rights.

use crate::validate::pod_security::control::{Control, Level, Revision};
use crate::validate::pod_security::fields::{At, PodFields};
use crate::validate::pod_security::findings::Findings;

/// Restricted, "Volume Types".
pub(super) static CONTROL: Control = Control {
    id: "restrictedVolumes",
    level: Level::Restricted,
    revisions: &[Revision::since(0, check).overriding(&["hostPathVolumes"])],
};

const ALLOWED: [&str; 9] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

/// The others that core/v1 has; the standard need not know a source to refuse it, as long as it stands alone.
const REFUSED: [&str; 21] = [
    "awsElasticBlockStore",
    "azureDisk",
    "azureFile",
    "cephfs",
    "cinder",
    "fc",
    "flexVolume",
    "flocker",
    "gcePersistentDisk",
    "gitRepo",
    "glusterfs",
    "hostPath",
    "iscsi",
    "nfs",
    "photonPersistentDisk",
    "portworxVolume",
    "quobyte",
    "rbd",
    "scaleIO",
    "storageos",
    "vsphereVolume",
];

const MUST: &str = "be configMap, csi, downwardAPI, emptyDir, ephemeral, image, persistentVolumeClaim, projected or \
                    secret";

fn check(pod: &PodFields<'_>, findings: &mut Findings<'_>) {
    pod.spec().for_each_named(&["volumes"], findings, |volume, findings| check_volume(&volume, findings));
}

/// A volume without a source is nobody's mistake: the API server makes it an `emptyDir`.
fn check_volume(volume: &At<'_>, findings: &mut Findings<'_>) {
    let (mut allowed, mut reported, mut unknown) = (false, false, None);
    for (source, value) in volume.set_fields().filter(|(field, _)| *field != "name") {
        if ALLOWED.contains(&source) && value.is_object() {
            allowed = true;
        } else if ALLOWED.contains(&source) || REFUSED.contains(&source) {
            // The API server allows one source a volume; beside an allowed one this is no less refused.
            findings.violation(volume.path(&[source]), source, MUST);
            reported = true;
        } else {
            unknown = Some(source);
        }
    }
    if let Some(source) = unknown.filter(|_| !allowed && !reported) {
        findings.violation(volume.path(&[source]), source, MUST);
    }
}
