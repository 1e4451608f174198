//! From a field's path to its place.

use sallyport_admission::element;
use sallyport_policy::{FieldPath, Segment};
use serde_json::Value;

use super::spans::{Span, Spans};

/// A field that exists, and where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found<'a> {
    pub(super) value: &'a Value,
    pub(super) spans: &'a Spans,
    /// The key, of an object's member.
    pub(super) key: Option<Span>,
    /// Its field, by which a list's elements are named; empty for an element.
    field: &'a str,
}

impl Found<'_> {
    /// The place to show for the field's value: a scalar itself, else the key, else where the value begins.
    pub(super) fn place(&self) -> Span {
        let scalar = !self.value.is_object() && !self.value.is_array() && !self.spans.value.is_empty();
        if scalar { self.spans.value } else { self.key.unwrap_or(self.spans.value) }
    }
}

/// The field at `path`, or the nearest above it that exists.
pub(super) fn find<'a>(value: &'a Value, spans: &'a Spans, path: &FieldPath) -> Found<'a> {
    let mut found = Found { value, spans, key: None, field: "" };
    for segment in path.segments() {
        let Some(next) = step(&found, segment) else { break };
        found = next;
    }
    found
}

/// The field at `path` and the steps to it; `None` when it does not exist.
pub(super) fn find_exactly<'a>(
    value: &'a Value,
    spans: &'a Spans,
    path: &FieldPath,
) -> Option<(&'a Value, Vec<Step>)> {
    let mut found = Found { value, spans, key: None, field: "" };
    let mut steps = Vec::with_capacity(path.segments().len());
    for segment in path.segments() {
        let above = found.value;
        found = step(&found, segment)?;
        steps.push(match above {
            Value::Array(elements) => {
                Step::Element(elements.iter().position(|element| std::ptr::eq(element, found.value))?)
            }
            _ => Step::Member(match segment {
                Segment::Field(name) => name.to_string(),
                Segment::Key(name) | Segment::Named(name) => name.clone(),
                Segment::Index(index) => index.to_string(),
            }),
        });
    }
    Some((found.value, steps))
}

/// One step down. A name in brackets may be a key or an element's name: the value says which.
fn step<'a>(at: &Found<'a>, segment: &Segment) -> Option<Found<'a>> {
    let name = match segment {
        Segment::Index(index) => return element_at(at, *index),
        Segment::Field(name) => name.as_ref(),
        Segment::Key(name) | Segment::Named(name) => name,
    };
    match at.value {
        Value::Object(members) => {
            let member = at.spans.member(name)?;
            let (field, value) = members.get_key_value(name)?;
            Some(Found { value, spans: &member.spans, key: Some(member.key), field })
        }
        Value::Array(elements) => element_at(at, element::position(at.field, elements, name)?),
        _ => None,
    }
}

fn element_at<'a>(at: &Found<'a>, index: usize) -> Option<Found<'a>> {
    Some(Found { value: at.value.get(index)?, spans: at.spans.element(index)?, key: None, field: "" })
}

/// A step by key or position, as values and their decoders know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Member(String),
    Element(usize),
}

/// The path that `steps` take from `value`, as Kubernetes writes it.
pub(super) fn path_of(value: &Value, steps: &[Step]) -> FieldPath {
    let mut at = Some(value);
    let mut keys_are_data = false;
    let mut list = "";
    let mut segments = Vec::with_capacity(steps.len());
    for step in steps {
        match step {
            Step::Member(name) => {
                let field = !keys_are_data && is_field_name(name);
                segments.push(if field {
                    Segment::Field(name.clone().into())
                } else {
                    Segment::Key(name.clone())
                });
                keys_are_data = field && has_data_for_keys(name);
                list = name;
                at = at.and_then(|value| value.get(name));
            }
            Step::Element(index) => {
                segments.push(match at.and_then(Value::as_array) {
                    Some(elements) => element::segment(list, elements, *index),
                    None => Segment::Index(*index),
                });
                keys_are_data = false;
                list = "";
                at = at.and_then(|value| value.get(index));
            }
        }
    }
    segments.into_iter().collect()
}

fn is_field_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '$'))
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'$'))
}

/// Whether the keys of this field's object are data in Kubernetes' own types.
fn has_data_for_keys(field: &str) -> bool {
    matches!(
        field,
        "labels" | "annotations" | "matchLabels" | "nodeSelector" | "data" | "stringData" | "binaryData"
    )
}

/// Reads a path as it is written, the reverse of [`FieldPath`]'s `Display`. What stands in brackets is a number or
/// else a name; [`find`] takes either for a key, a position or a name, as the value has it.
#[must_use]
pub fn parse(written: &str) -> FieldPath {
    let mut segments = Vec::new();
    let mut rest = written;
    while !rest.is_empty() {
        if let Some((inside, after)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            segments.push(Segment::Named(inside.to_owned()));
            rest = after;
        } else {
            rest = rest.strip_prefix('.').unwrap_or(rest);
            let end = rest.char_indices().skip(1).find(|(_, c)| matches!(c, '.' | '['));
            let (name, after) = rest.split_at(end.map_or(rest.len(), |(at, _)| at));
            if !name.is_empty() {
                segments.push(Segment::Field(name.to_owned().into()));
            }
            rest = after;
        }
    }
    segments.into_iter().collect()
}
