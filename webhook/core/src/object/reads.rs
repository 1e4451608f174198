//! What of an object's metadata a verdict depends on.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Fields, get_object};

/// The metadata that a verdict depends on. What else an object has is read by all rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reads {
    pub(crate) labels: Keys,
    pub(crate) annotations: Keys,
    /// Whether it depends on more of the metadata: finalizers, owners.
    pub(crate) other_metadata: bool,
}

/// Keys of labels or annotations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Keys {
    These(BTreeSet<String>),
    All,
}

impl Default for Keys {
    fn default() -> Self {
        Self::These(BTreeSet::new())
    }
}

impl Keys {
    pub(crate) fn these<S: Into<String>>(keys: impl IntoIterator<Item = S>) -> Self {
        Self::These(keys.into_iter().map(Into::into).collect())
    }

    fn extend(&mut self, more: &Self) {
        match (&mut *self, more) {
            (Self::These(keys), Self::These(more)) => keys.extend(more.iter().cloned()),
            _ => *self = Self::All,
        }
    }

    fn same(&self, old: &Fields, new: &Fields, map: &str) -> bool {
        let (old, new) = (get_object(old, &["metadata", map]), get_object(new, &["metadata", map]));
        let value =
            |fields: Option<&'_ Fields>, key: &str| fields.and_then(|fields| fields.get(key)).cloned();
        match self {
            Self::These(keys) => keys.iter().all(|key| value(old, key) == value(new, key)),
            Self::All => {
                let empty = Fields::new();
                old.unwrap_or(&empty) == new.unwrap_or(&empty)
            }
        }
    }
}

impl Reads {
    /// Everything.
    pub(crate) fn all() -> Self {
        Self { labels: Keys::All, annotations: Keys::All, other_metadata: true }
    }

    /// Reads what `more` reads, too.
    pub(crate) fn extend(&mut self, more: &Self) {
        self.labels.extend(&more.labels);
        self.annotations.extend(&more.annotations);
        self.other_metadata |= more.other_metadata;
    }

    /// Whether two objects are the same as far as this is read.
    pub(crate) fn same(&self, old: &Fields, new: &Fields) -> bool {
        self.labels.same(old, new, "labels")
            && self.annotations.same(old, new, "annotations")
            && (!self.other_metadata || other_metadata(old).eq(other_metadata(new)))
    }
}

/// The metadata that a person or a controller writes, labels and annotations apart.
fn other_metadata(object: &Fields) -> impl Iterator<Item = (&String, &Value)> {
    let metadata = get_object(object, &["metadata"]).into_iter().flatten();
    metadata.filter(|(field, _)| {
        !["labels", "annotations", "managedFields", "resourceVersion", "generation"].contains(&field.as_str())
    })
}
