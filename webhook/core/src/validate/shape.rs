//! Objects that are not shaped as core/v1 shapes them.
//!
//! The API server reads an object into its own types before it asks, and never sends such a one. A file may hold it,
//! and so may a request to a server that stands alone: what can't be read must not pass for what is right.

use std::fmt;

use serde_json::Value;

use super::{Report, Subject};
use crate::object::{CONTAINER_LISTS, Fields, Pod};

/// The path of a field: `parent.field`.
#[derive(Clone, Copy)]
pub(super) struct FieldAt<'p>(pub(super) &'p dyn fmt::Display, pub(super) &'p str);

impl fmt::Display for FieldAt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// The path of a list's element, or of a map's: `parent[name]`.
#[derive(Clone, Copy)]
pub(super) struct ElementAt<'p>(pub(super) &'p dyn fmt::Display, pub(super) &'p dyn fmt::Display);

impl fmt::Display for ElementAt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.0, self.1)
    }
}

/// What a value is, in words.
pub(super) fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// The object in a field; `None` where it is missing or null, and where something else is there, which is reported.
pub(super) fn object_in<'v>(
    fields: &'v Fields,
    parent: &dyn fmt::Display,
    field: &str,
    report: &mut Report,
) -> Option<&'v Fields> {
    let value = fields.get(field).filter(|value| !value.is_null())?;
    let object = value.as_object();
    if object.is_none() {
        wrong_type(FieldAt(parent, field), value, "an object", report);
    }
    object
}

/// The list in a field; empty where it is missing or null, and where something else is there, which is reported.
pub(super) fn list_in<'v>(
    fields: &'v Fields,
    parent: &dyn fmt::Display,
    field: &str,
    report: &mut Report,
) -> &'v [Value] {
    let Some(value) = fields.get(field).filter(|value| !value.is_null()) else { return &[] };
    value.as_array().map_or_else(
        || {
            wrong_type(FieldAt(parent, field), value, "a list", report);
            &[][..]
        },
        Vec::as_slice,
    )
}

/// Reports that a field holds something else than it should.
pub(super) fn wrong_type(path: impl fmt::Display, found: &Value, wanted: &str, report: &mut Report) {
    report.violation(path, format!("found {}; wanted {wanted}", type_of(found)));
}

impl<'s> Subject<'s> {
    /// The pod to judge. Where there is none in an object that should hold one, and where one of its containers can't
    /// be read, that is reported.
    pub(super) fn readable_pod(&self, report: &mut Report) -> Option<Pod<'s>> {
        let Some(pod) = self.pod else {
            report.violation("spec", "found no pod that can be read; wanted an object");
            return None;
        };
        for list in CONTAINER_LISTS {
            for (i, container) in list_in(pod.spec(), &"spec", list.field(), report).iter().enumerate() {
                if !container.is_object() {
                    let at = FieldAt(&"spec", list.field());
                    wrong_type(ElementAt(&at, &i), container, "an object", report);
                }
            }
        }
        Some(pod)
    }
}
