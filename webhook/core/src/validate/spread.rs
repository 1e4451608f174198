//! Pods that are to stand apart.

use sallyport_policy::{Diagnostics, FieldPath};
use serde_json::Value;

use super::{Report, Rule, Subject};
use crate::object::{Fields, get_list};
use crate::resources::SpreadRule;

/// The rule, compiled.
#[derive(Debug)]
pub(crate) struct RequiredSpread;

impl RequiredSpread {
    pub(crate) fn compile(rule: &SpreadRule, _path: &FieldPath, _found: &mut Diagnostics) -> Self {
        match rule {
            SpreadRule::Required => Self,
        }
    }
}

/// Where a pod says that it is to stand apart.
const PLACES: [&[&str]; 3] = [
    &["affinity", "podAntiAffinity", "requiredDuringSchedulingIgnoredDuringExecution"],
    &["affinity", "podAntiAffinity", "preferredDuringSchedulingIgnoredDuringExecution"],
    &["topologySpreadConstraints"],
];

/// Whether there is an element that is one.
fn is_spread(spec: &Fields) -> bool {
    PLACES.iter().any(|place| get_list(spec, place).iter().any(Value::is_object))
}

impl Rule for RequiredSpread {
    fn judge(&self, subject: &Subject<'_>, report: &mut Report) {
        let Some(pod) = subject.readable_pod(report) else { return };
        if !is_spread(pod.spec()) {
            report.violation(
                "spec",
                "found neither terms of affinity.podAntiAffinity nor topologySpreadConstraints; wanted one of them",
            );
        }
    }
}
