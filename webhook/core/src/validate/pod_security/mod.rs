//! The Pod Security Standards (<https://kubernetes.io/docs/concepts/security/pod-security-standards/>), with the
//! verdict of the API server's own admission plugin (KEP-2579, k8s.io/pod-security-admission) at every level and in
//! every version.
//!
//! A control is a file in `controls`, named after the check that it is there. Unlike there, what is wrong is said
//! field by field.

mod capabilities;
mod control;
mod controls;
mod fields;
mod findings;
mod profile;
mod version;

use std::collections::BTreeSet;

use sallyport_policy::{Diagnostics, FieldPath};
use serde_json::Value;

use self::control::{Check, Level, in_force};
use self::controls::CONTROLS;
use self::fields::PodFields;
use self::findings::{Findings, Misshapen, Shown};
use self::version::Version;
use super::{Report, Rule, Subject};
use crate::object::{Keys, Reads};
use crate::resources::{PodSecurityLevel, PodSecurityRule};

/// The rule, compiled: the checks of a level in a version, with the identifiers of their controls.
#[derive(Debug)]
pub(crate) struct PodSecurity {
    checks: Vec<(&'static str, Check)>,
    /// What the annotations begin with that the checks read.
    annotations: BTreeSet<&'static str>,
}

impl PodSecurity {
    pub(crate) fn compile(rule: &PodSecurityRule, path: &FieldPath, found: &mut Diagnostics) -> Self {
        let version = Version::compile(rule.version.as_deref(), &path.field("version"), found);
        let level = match rule.level {
            PodSecurityLevel::Privileged => {
                found.warn(path.field("level"), "has no effect: privileged refuses nothing");
                None
            }
            PodSecurityLevel::Baseline => Some(Level::Baseline),
            PodSecurityLevel::Restricted => Some(Level::Restricted),
        };
        let revisions = level.map(|level| in_force(&CONTROLS, level, version)).unwrap_or_default();
        Self {
            checks: revisions.iter().map(|(control, revision)| (control.id, revision.check)).collect(),
            annotations: revisions.iter().flat_map(|(_, revision)| revision.annotations).copied().collect(),
        }
    }
}

impl Rule for PodSecurity {
    fn reads(&self) -> Reads {
        Reads { annotations: Keys::beginning_with(self.annotations.iter().copied()), ..Reads::default() }
    }

    fn judge(&self, subject: &Subject<'_>, report: &mut Report) {
        let Some(pod) = subject.pod else {
            // What is not shaped like a pod can't be said to keep to a control; on DELETE there is none.
            if !subject.object.is_null() && !self.checks.is_empty() {
                let spec = subject.object.get("spec").unwrap_or(&Value::Null);
                report.violation("spec", format!("found {}; must be an object", Shown(spec)));
            }
            return;
        };
        let pod = PodFields::new(pod, subject.mesh_images);
        let mut misshapen = Misshapen::default();
        for (control, check) in &self.checks {
            let mut findings = Findings::of(control, report, &mut misshapen);
            check(&pod, &mut findings);
            findings.end();
        }
        misshapen.end(report);
    }
}
