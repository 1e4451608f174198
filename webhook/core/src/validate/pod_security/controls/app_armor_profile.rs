//! AppArmor: the runtime's profile, or one of the node's (KEP-24).

use serde_json::Value;

use crate::validate::pod_security::control::{Control, Level, Revision};
use crate::validate::pod_security::fields::PodFields;
use crate::validate::pod_security::findings::{Cut, Findings, Shown};
use crate::validate::pod_security::profile::sets_profile;

/// Baseline, "AppArmor".
pub(super) static CONTROL: Control = Control {
    id: "appArmorProfile",
    level: Level::Baseline,
    revisions: &[Revision::since(0, check).reading(&[ANNOTATIONS])],
};

/// What the keys of the older annotations begin with. They are judged whatever container they name.
const ANNOTATIONS: &str = "container.apparmor.security.beta.kubernetes.io/";

fn check(pod: &PodFields<'_>, findings: &mut Findings<'_>) {
    sets_profile(pod.spec(), "appArmorProfile", findings);
    pod.for_each_container(findings, |container, findings| {
        sets_profile(container.at(), "appArmorProfile", findings);
    });
    let is_allowed = |value: &Value| match value {
        Value::String(text) => {
            matches!(text.as_str(), "" | "runtime/default") || text.starts_with("localhost/")
        }
        other => other.is_null(),
    };
    pod.for_each_annotation(findings, |key, value, findings| {
        if key.starts_with(ANNOTATIONS) && !is_allowed(value) {
            let path = format_args!("metadata.annotations[{}]", Cut(key));
            findings.violation(path, Shown(value), "be runtime/default, localhost/* or unset");
        }
    });
}
