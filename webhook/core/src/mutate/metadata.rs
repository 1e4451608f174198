//! Adds labels and annotations, to objects of any kind.

use std::collections::BTreeMap;

use sallyport_policy::{Diagnostics, FieldPath, check_label_key, check_label_value};
use serde_json::Value;

use super::log::Log;
use super::transformation::{Subject, Terms, Transformation};
use crate::object::Reach;
use crate::resources::Metadata;

/// Labels and annotations, keyed by the field of `metadata` that holds them.
#[derive(Debug)]
pub(crate) struct MetadataFill {
    labels: Box<[(String, Value)]>,
    annotations: Box<[(String, Value)]>,
}

impl MetadataFill {
    pub(crate) fn compile(metadata: &Metadata, path: &FieldPath, found: &mut Diagnostics) -> Self {
        for (key, value) in &metadata.labels {
            let at = path.field("labels").key(key);
            if let Err(wrong) = check_label_key(key) {
                found.error(at.clone(), wrong.to_string());
            }
            if let Err(wrong) = check_label_value(value) {
                found.error(at, wrong.to_string());
            }
        }
        for key in metadata.annotations.keys() {
            if let Err(wrong) = check_label_key(key) {
                found.error(path.field("annotations").key(key), wrong.to_string());
            }
        }
        if metadata.labels.is_empty() && metadata.annotations.is_empty() {
            found.error(path.clone(), "nothing to add; give labels or annotations");
        }
        let texts = |map: &BTreeMap<String, String>| {
            map.iter().map(|(k, v)| (k.clone(), v.as_str().into())).collect()
        };
        Self { labels: texts(&metadata.labels), annotations: texts(&metadata.annotations) }
    }

    fn maps(&self) -> [(&'static str, &[(String, Value)]); 2] {
        [("labels", &self.labels), ("annotations", &self.annotations)]
    }
}

impl Transformation for MetadataFill {
    fn applies_to_any_kind(&self) -> bool {
        true
    }

    fn apply(&self, terms: &Terms, subject: &mut Subject<'_>, log: &mut Log) {
        // A subresource takes no change but its own.
        if !matches!(subject.reach, Reach::Whole) {
            return;
        }
        let Some(object) = subject.object.as_object_mut() else { return };
        for (field, wanted) in self.maps() {
            for (key, value) in wanted {
                log.fill(object, &["metadata", field, key], value, terms.strategy, "");
            }
        }
    }

    fn sets(&self) -> Vec<(String, Value)> {
        self.maps()
            .into_iter()
            .flat_map(|(field, map)| {
                map.iter().map(move |(k, v)| (format!("metadata.{field}[{k}]"), v.clone()))
            })
            .collect()
    }
}
