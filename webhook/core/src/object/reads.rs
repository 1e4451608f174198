//! What of an object and its request a verdict depends on.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Fields, get, get_object};

/// What a verdict depends on beside the object's body, which all rules read: all of it but metadata and status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reads {
    pub(crate) labels: Keys,
    pub(crate) annotations: Keys,
    /// Whether it depends on more of the metadata: finalizers, owners.
    pub(crate) other_metadata: bool,
    /// Whether it depends on who set which field. No update counts as a change for it, but it must be there.
    pub(crate) managed_fields: bool,
    /// Whether it depends on the status.
    pub(crate) status: bool,
    /// Whether it depends on the update itself: on who makes it, or on what the object was before.
    pub(crate) update: bool,
    /// Whether it depends on anything of the object at all.
    pub(crate) object: bool,
}

/// Keys of labels or annotations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Keys {
    /// These, and those that begin so.
    These {
        keys: BTreeSet<String>,
        prefixes: BTreeSet<&'static str>,
    },
    All,
}

impl Default for Keys {
    fn default() -> Self {
        Self::These { keys: BTreeSet::new(), prefixes: BTreeSet::new() }
    }
}

impl Keys {
    pub(crate) fn these<S: Into<String>>(keys: impl IntoIterator<Item = S>) -> Self {
        Self::These { keys: keys.into_iter().map(Into::into).collect(), prefixes: BTreeSet::new() }
    }

    /// All that begin with one of these.
    pub(crate) fn beginning_with(prefixes: impl IntoIterator<Item = &'static str>) -> Self {
        Self::These { keys: BTreeSet::new(), prefixes: prefixes.into_iter().collect() }
    }

    fn extend(&mut self, more: &Self) {
        match (&mut *self, more) {
            (Self::These { keys, prefixes }, Self::These { keys: more_keys, prefixes: more_prefixes }) => {
                keys.extend(more_keys.iter().cloned());
                prefixes.extend(more_prefixes);
            }
            _ => *self = Self::All,
        }
    }

    fn same(&self, old: &Fields, new: &Fields, map: &str) -> bool {
        let (old, new) = (get_object(old, &["metadata", map]), get_object(new, &["metadata", map]));
        let value =
            |fields: Option<&'_ Fields>, key: &str| fields.and_then(|fields| fields.get(key)).cloned();
        match self {
            Self::These { keys, prefixes } => {
                let beginning = |fields: Option<&'_ Fields>, prefix: &str| -> Fields {
                    let all = fields.into_iter().flatten();
                    let some = all.filter(|(key, _)| key.starts_with(prefix));
                    some.map(|(key, value)| (key.clone(), value.clone())).collect()
                };
                keys.iter().all(|key| value(old, key) == value(new, key))
                    && prefixes.iter().all(|prefix| beginning(old, prefix) == beginning(new, prefix))
            }
            Self::All => {
                let empty = Fields::new();
                old.unwrap_or(&empty) == new.unwrap_or(&empty)
            }
        }
    }
}

impl Reads {
    /// All of the metadata.
    pub(crate) fn metadata() -> Self {
        Self {
            labels: Keys::All,
            annotations: Keys::All,
            other_metadata: true,
            managed_fields: true,
            ..Self::default()
        }
    }

    /// Reads what `more` reads, too.
    pub(crate) fn extend(&mut self, more: &Self) {
        self.labels.extend(&more.labels);
        self.annotations.extend(&more.annotations);
        self.other_metadata |= more.other_metadata;
        self.managed_fields |= more.managed_fields;
        self.status |= more.status;
        self.update |= more.update;
        self.object |= more.object;
    }

    /// Whether two objects are the same as far as this is read.
    pub(crate) fn same(&self, old: &Fields, new: &Fields) -> bool {
        self.labels.same(old, new, "labels")
            && self.annotations.same(old, new, "annotations")
            && (!self.other_metadata || other_metadata(old).eq(other_metadata(new)))
            && (!self.status || get(old, &["status"]) == get(new, &["status"]))
    }
}

/// The metadata that a person or a controller writes, labels and annotations apart.
fn other_metadata(object: &Fields) -> impl Iterator<Item = (&String, &Value)> {
    let metadata = get_object(object, &["metadata"]).into_iter().flatten();
    metadata.filter(|(field, _)| {
        !["labels", "annotations", "managedFields", "resourceVersion", "generation"].contains(&field.as_str())
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_are_read_one_by_one_or_by_what_they_begin_with() {
        let check = |reads: &Keys, old: Value, new: Value, same: bool| {
            let object = |annotations: &Value| json!({"metadata": {"annotations": annotations}});
            let (old, new) = (object(&old), object(&new));
            let given = reads.same(old.as_object().unwrap(), new.as_object().unwrap(), "annotations");
            assert_eq!(given, same, "{reads:?}: {old} {new}");
        };
        let mut both = Keys::these(["note"]);
        both.extend(&Keys::beginning_with(["profile/"]));
        check(&both, json!({"profile/a": "x", "other": "1"}), json!({"profile/a": "x"}), true);
        check(&both, json!({"profile/a": "x"}), json!({"profile/a": "y"}), false);
        check(&both, json!({"profile/a": "x"}), json!({"profile/a": "x", "profile/b": "x"}), false);
        check(&both, json!({"profile/a": "x"}), json!(null), false);
        check(&both, json!({"note": "x"}), json!({"note": "y"}), false);
        check(&both, json!({"profile": "x"}), json!({}), true);
        both.extend(&Keys::All);
        check(&both, json!({"profile": "x"}), json!({}), false);
    }
}
