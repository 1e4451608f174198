//! The pod's service account.

use sallyport_policy::{Diagnostics, FieldPath};
use serde_json::Value;

use super::shape::{FieldAt, wrong_type};
use super::{Report, Rule, Subject};
use crate::resources::ServiceAccountRule;

/// The rule, compiled.
#[derive(Debug)]
pub(crate) struct NamedServiceAccount;

impl NamedServiceAccount {
    pub(crate) fn compile(rule: &ServiceAccountRule, path: &FieldPath, found: &mut Diagnostics) -> Self {
        if !rule.named {
            found.error(path.clone(), "the rule asks for nothing; give named: true");
        }
        Self
    }
}

/// The field, and the one that it replaces; where both are given, the API server goes by the first.
const FIELDS: [&str; 2] = ["serviceAccountName", "serviceAccount"];

impl Rule for NamedServiceAccount {
    fn judge(&self, subject: &Subject<'_>, report: &mut Report) {
        let Some(pod) = subject.readable_pod(report) else { return };
        let wanted = "the name of a service account of the pod's own";
        for field in FIELDS {
            let at = FieldAt(&"spec", field);
            match pod.spec().get(field) {
                None | Some(Value::Null) => {}
                Some(Value::String(name)) if name.is_empty() => {}
                Some(Value::String(name)) if name == "default" => {
                    return report.violation(at, format!("found `default`; wanted {wanted}"));
                }
                Some(Value::String(_)) => return,
                Some(other) => return wrong_type(at, other, wanted, report),
            }
        }
        report.violation("spec.serviceAccountName", format!("found none; wanted {wanted}"));
    }
}
