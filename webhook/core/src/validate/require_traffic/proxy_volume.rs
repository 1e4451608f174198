//! The volume in which Istio's proxy has its configuration.
//!
//! The agent writes Envoy's bootstrap there, and Envoy reads it, once more whenever it is started again. Who else has the
//! volume writes another one.

use crate::object::{Container, Pod, name_of};
use crate::validate::Report;
use crate::validate::shape::{ElementAt, FieldAt, list_in};

/// Its name, as the injector writes it.
const VOLUME: &str = "istio-envoy";

const WHY: &str = "so that the proxy's configuration is its own";

/// Reports a volume of that name that outlives the pod or that others fill.
pub(super) fn judge(pod: Pod<'_>, report: &mut Report) {
    for volume in list_in(pod.spec(), &"spec", "volumes", report) {
        let fields = volume.as_object().into_iter().flatten();
        let mut sources = fields.filter(|(field, value)| *field != "name" && !value.is_null());
        if name_of(volume) == VOLUME && sources.any(|(source, _)| source != "emptyDir") {
            let message = format!("found another volume than an emptyDir; wanted an emptyDir, {WHY}");
            report.violation(ElementAt(&"spec.volumes", &VOLUME), message);
        }
    }
}

/// Reports that a container, which is not the proxy, mounts it.
pub(super) fn judge_mounts(container: &Container<'_>, report: &mut Report) {
    for mount in list_in(container.fields, &container.path, "volumeMounts", report) {
        if name_of(mount) == VOLUME {
            let at = FieldAt(&container.path, "volumeMounts");
            report.violation(ElementAt(&at, &VOLUME), format!("found a mount; wanted none, {WHY}"));
        }
    }
}
