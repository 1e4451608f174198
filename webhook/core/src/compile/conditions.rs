//! The conditions of one entry.

use std::collections::BTreeMap;

use sallyport_policy::{Diagnostics, FieldPath, LabelSelector, Selector, check_label_key, check_label_value};
use serde_json::Value;

use super::Facts;
use crate::cel::{EvaluationError, Expression};
use crate::object::{Keys, Pod, PodBearing, Reads, has_labels};

/// Labels that the object must have, and a CEL expression that must be true of it.
#[derive(Debug, Default)]
pub(crate) struct Conditions {
    labels: BTreeMap<String, String>,
    when: Option<Box<Expression>>,
}

impl Conditions {
    pub(crate) fn compile(
        labels: &BTreeMap<String, String>,
        when: Option<&str>,
        path: &FieldPath,
        found: &mut Diagnostics,
    ) -> Self {
        for (key, value) in labels {
            let at = path.field("labels").key(key);
            if let Err(wrong) = check_label_key(key) {
                found.error(at.clone(), wrong.to_string());
            }
            if let Err(wrong) = check_label_value(value) {
                found.error(at, wrong.to_string());
            }
        }
        let when = when.and_then(|source| expression(source, &path.field("when"), found));
        Self { labels: labels.clone(), when: when.map(Box::new) }
    }

    /// Whether the object, as it stands now, meets the conditions. The labels are those of the pod, or of the
    /// object where it holds none; on DELETE, those of the old object.
    pub(crate) fn hold(
        &self,
        facts: &Facts<'_>,
        object: &Value,
        kind: Option<PodBearing>,
    ) -> Result<bool, EvaluationError> {
        let labelled = match kind.and_then(|kind| Pod::of(kind, object)) {
            Some(pod) => Some(pod.template()),
            None => object.as_object().or_else(|| facts.request.old_object.as_object()),
        };
        let wanted = self.labels.iter().map(|(k, v)| (k.as_str(), v.as_str()));
        if !self.labels.is_empty() && labelled.is_none_or(|fields| !has_labels(fields, wanted)) {
            return Ok(false);
        }
        self.when.as_ref().map_or(Ok(true), |when| facts.evaluate(when, object))
    }

    /// The metadata that they depend on.
    pub(crate) fn reads(&self) -> Reads {
        let mut reads = Reads { labels: Keys::these(self.labels.keys().cloned()), ..Reads::default() };
        self.when.iter().for_each(|when| reads.extend(when.reads()));
        // As for the policy's scope.
        reads.update = false;
        reads
    }

    /// Whether no object can meet both: they ask for different values of one label.
    pub(crate) fn exclude_each_other(&self, other: &Self) -> bool {
        self.labels.iter().any(|(key, value)| other.labels.get(key).is_some_and(|theirs| theirs != value))
    }

    /// The labels that the object must have.
    pub(crate) fn selector(&self) -> Selector {
        let labels = LabelSelector { match_labels: self.labels.clone(), ..LabelSelector::default() };
        // What is wrong with them was found when they were compiled.
        labels.compile(&FieldPath::of("labels"), &mut Diagnostics::default())
    }

    /// Whether an expression decides, so that nothing is known before it is evaluated.
    pub(crate) fn has_expression(&self) -> bool {
        self.when.is_some()
    }
}

/// Compiles a condition; what is wrong with it is found at `path`.
pub(crate) fn expression(source: &str, path: &FieldPath, found: &mut Diagnostics) -> Option<Expression> {
    Expression::compile(source).map_err(|error| found.error(path.clone(), error.to_string())).ok()
}
