//! One object of a file.

use std::sync::Arc;

use sallyport_policy::{Diagnostic, FieldPath};
use serde_json::Value;

use super::compose::compose;
use super::error::ReadError;
use super::locate;
use super::report::Located;
use super::spans::Spans;
use super::text::{Location, SourceText};

/// One object of a file, untyped, which knows where each of its fields stands.
#[derive(Clone, Debug)]
pub struct Document {
    /// The file.
    pub origin: Arc<SourceText>,
    /// The position of the YAML document within the file, from 0. Items of one List share it.
    pub index: usize,
    /// The object.
    pub value: Value,
    pub(super) spans: Spans,
}

impl Document {
    /// `kind`; empty when it is missing.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.text(&["kind"])
    }

    /// `apiVersion`; empty when it is missing.
    #[must_use]
    pub fn api_version(&self) -> &str {
        self.text(&["apiVersion"])
    }

    /// `metadata.namespace`; empty when it is missing.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.text(&["metadata", "namespace"])
    }

    /// `metadata.name`, or `metadata.generateName`; empty when both are missing.
    #[must_use]
    pub fn name(&self) -> &str {
        match self.text(&["metadata", "name"]) {
            "" => self.text(&["metadata", "generateName"]),
            name => name,
        }
    }

    fn text(&self, fields: &[&str]) -> &str {
        fields
            .iter()
            .try_fold(&self.value, |at, field| at.get(field))
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// The place to show for a field: a scalar value itself, the key of a list or an object, the beginning of an
    /// element. Falls back to the nearest field above that exists, and at last to where the object begins.
    ///
    /// Elements of lists have the names of [`element`](sallyport_admission::element). What came through an alias or a
    /// merge key stands where its anchor is.
    #[must_use]
    pub fn locate(&self, path: &FieldPath) -> Location {
        let place = locate::find(&self.value, &self.spans, path).place();
        self.origin.location(place.range())
    }

    /// As [`Document::locate`], but the key for a scalar too: for what is wrong with the field rather than its value.
    #[must_use]
    pub fn locate_key(&self, path: &FieldPath) -> Location {
        let found = locate::find(&self.value, &self.spans, path);
        self.origin.location(found.key.unwrap_or(found.spans.value).range())
    }

    /// A field that is an object itself, as a document of its own, which stands where the field does.
    #[must_use]
    pub fn part(&self, path: &FieldPath) -> Option<Self> {
        let (value, _) = locate::find_exactly(&self.value, &self.spans, path)?;
        let spans = locate::find(&self.value, &self.spans, path).spans.clone();
        Some(Self { origin: Arc::clone(&self.origin), index: self.index, value: value.clone(), spans })
    }

    /// The value of a field.
    #[must_use]
    pub fn value_at(&self, path: &FieldPath) -> Option<&Value> {
        locate::find_exactly(&self.value, &self.spans, path).map(|(value, _)| value)
    }

    /// The value's own text, lists and objects too. Falls back as [`Document::locate`] does.
    #[must_use]
    pub fn locate_value(&self, path: &FieldPath) -> Location {
        self.origin.location(locate::find(&self.value, &self.spans, path).spans.value.range())
    }

    /// As [`Document::locate`], for a path as Kubernetes writes it: `spec.containers[api].ports[0]`.
    #[must_use]
    pub fn locate_written(&self, path: &str) -> Location {
        self.locate(&locate::parse(path))
    }

    /// A finding about this object, with the place of its field.
    #[must_use]
    pub fn place(&self, diagnostic: Diagnostic) -> Located {
        let location = self.locate(&diagnostic.path);
        Located::new(diagnostic, &self.origin, location)
    }
}

/// Reads all documents of a text, whatever they are; those that are empty or null are skipped. A document with errors
/// is left out, and those after it are read.
///
/// Duplicate keys are errors. Anchors, aliases and merge keys are unfolded, within bounds.
#[must_use]
pub fn parse(origin: &Arc<SourceText>) -> (Vec<Document>, Vec<ReadError>) {
    let (composed, errors) = compose(origin);
    let document = |composed: super::compose::Composed| Document {
        origin: Arc::clone(origin),
        index: composed.index,
        value: composed.node.value,
        spans: composed.node.spans,
    };
    (composed.into_iter().map(document).collect(), errors)
}
