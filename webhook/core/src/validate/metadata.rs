//! Labels and annotations that must be there.

use sallyport_policy::{Diagnostics, FieldPath, check_label_key};
use serde_json::Value;

use super::shape::{ElementAt, FieldAt, object_in, wrong_type};
use super::{About, Report, Rule, Subject};
use crate::Operation;
use crate::object::{Fields, Keys, Reads};
use crate::resources::MetadataRule;

/// The rule, compiled.
#[derive(Debug)]
pub(crate) struct RequiredMetadata {
    labels: Vec<String>,
    annotations: Vec<String>,
}

impl RequiredMetadata {
    pub(crate) fn compile(rule: &MetadataRule, path: &FieldPath, found: &mut Diagnostics) -> Self {
        if rule.required_labels.is_empty() && rule.required_annotations.is_empty() {
            found
                .error(path.clone(), "the rule asks for nothing; give requiredLabels or requiredAnnotations");
        }
        let lists =
            [("requiredLabels", &rule.required_labels), ("requiredAnnotations", &rule.required_annotations)];
        for (field, keys) in lists {
            for (i, key) in keys.iter().enumerate() {
                if let Err(wrong) = check_label_key(key) {
                    found.error(path.field(field).index(i), wrong.to_string());
                }
            }
        }
        Self { labels: rule.required_labels.clone(), annotations: rule.required_annotations.clone() }
    }
}

impl Rule for RequiredMetadata {
    fn about(&self) -> About {
        About::Objects
    }

    fn reads(&self) -> Reads {
        Reads {
            labels: Keys::these(&self.labels),
            annotations: Keys::these(&self.annotations),
            ..Reads::default()
        }
    }

    fn judge(&self, subject: &Subject<'_>, report: &mut Report) {
        // What is deleted is not stored, what is connected to is not written, and a subresource such as Scale is a form
        // to fill in: none of them has labels of its own.
        let request = subject.request();
        let is_stored = matches!(request.operation, Operation::Create | Operation::Update);
        // With its status comes the whole object, labels and all.
        if !is_stored || !matches!(request.sub_resource.as_str(), "" | "status") {
            return;
        }
        let Some(object) = subject.object.as_object() else {
            return wrong_type("", subject.object, "an object", report);
        };
        let nothing = Fields::new();
        let metadata = match object.get("metadata") {
            None | Some(Value::Null) => &nothing,
            Some(Value::Object(metadata)) => metadata,
            Some(other) => return wrong_type("metadata", other, "an object", report),
        };
        for (map, keys) in [("labels", &self.labels), ("annotations", &self.annotations)] {
            if keys.is_empty() {
                continue;
            }
            let given = object_in(metadata, &"metadata", map, report);
            for key in keys {
                let why = match given.and_then(|given| given.get(key)) {
                    Some(Value::String(value)) if !value.is_empty() => continue,
                    Some(Value::String(_)) => "found an empty value; wanted one that says something",
                    _ => "found none; wanted a value",
                };
                report.violation(ElementAt(&FieldAt(&"metadata", map), key), why);
            }
        }
    }
}
