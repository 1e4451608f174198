//! Parts of objects: laid over an object, and looked up in one. Elements of lists are known by their names.

use sallyport_policy::{FieldPath, Segment, nearest};
use serde_json::{Map, Value};

/// The fields by which elements of lists are known.
const NAMES: [&str; 5] = ["name", "mountPath", "key", "topologyKey", "path"];

/// An element that was laid over a list which has none of its name, and which is likely a mistake.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Added {
    /// The list's field.
    pub(super) list: String,
    pub(super) name: String,
    /// The element that may have been meant.
    pub(super) near: Option<String>,
}

/// Sets in `object` what `part` says. Null takes a field away. Gives the elements that were added and may have been meant
/// to be others.
pub(super) fn overlay(object: &mut Value, part: &Value) -> Vec<Added> {
    let mut added = Vec::new();
    lay("", object, part, &mut added);
    added
}

fn lay(field: &str, object: &mut Value, part: &Value, added: &mut Vec<Added>) {
    match (object, part) {
        (Value::Object(object), Value::Object(part)) => {
            for (key, part) in part {
                if part.is_null() {
                    object.remove(key);
                } else {
                    lay(key, object.entry(key.clone()).or_insert(Value::Null), part, added);
                }
            }
        }
        (Value::Array(elements), Value::Array(parts)) if parts.iter().all(|part| name(part).is_some()) => {
            for part in parts {
                match elements.iter_mut().find(|element| name(element) == name(part)) {
                    Some(element) => lay("", element, part, added),
                    None => {
                        added.extend(doubtful(field, elements, part));
                        elements.push(part.clone());
                    }
                }
            }
        }
        (object @ Value::Null, Value::Object(_)) => {
            *object = Value::Object(Map::new());
            lay(field, object, part, added);
        }
        (object, part) => *object = part.clone(),
    }
}

/// Whether a new element is likely a misspelt one: another has nearly its name, or it is a container that runs nothing.
fn doubtful(list: &str, elements: &[Value], new: &Value) -> Option<Added> {
    let (key, called) = name(new)?;
    let others = elements.iter().filter_map(|element| element.get(key)?.as_str());
    let near = nearest(called, others).map(str::to_owned);
    let runs_nothing = list.to_lowercase().ends_with("containers") && new.get("image").is_none();
    let doubtful = near.is_some() || runs_nothing;
    doubtful.then(|| Added { list: list.to_owned(), name: called.to_owned(), near })
}

/// What `object` has of the fields that `part` names, in its shape; null for what is not there.
pub(super) fn project(object: &Value, part: &Value) -> Value {
    match (object, part) {
        (Value::Object(object), Value::Object(part)) => {
            let fields = part.iter().map(|(key, part)| {
                let value = object.get(key).map_or(Value::Null, |value| project(value, part));
                (key.clone(), value)
            });
            Value::Object(fields.collect())
        }
        (Value::Array(elements), Value::Array(parts))
            if !parts.is_empty() && parts.iter().all(|part| name(part).is_some()) =>
        {
            let found = parts.iter().filter_map(|part| {
                let element = elements.iter().find(|element| name(element) == name(part))?;
                Some(project(element, part))
            });
            Value::Array(found.collect())
        }
        (object, _) => object.clone(),
    }
}

/// The field at a path.
pub(super) fn look_up<'v>(object: &'v Value, path: &FieldPath) -> Option<&'v Value> {
    path.segments().iter().try_fold(object, |at, segment| {
        let called = match segment {
            Segment::Index(index) => return at.get(index),
            Segment::Field(name) => name.as_ref(),
            Segment::Key(name) | Segment::Named(name) => name,
        };
        match at {
            Value::Object(fields) => fields.get(called),
            Value::Array(elements) => elements
                .iter()
                .find(|element| {
                    NAMES.iter().any(|key| element.get(key).and_then(Value::as_str) == Some(called))
                })
                .or_else(|| elements.get(called.parse::<usize>().ok()?)),
            _ => None,
        }
    })
}

fn name(element: &Value) -> Option<(&'static str, &str)> {
    NAMES.iter().find_map(|key| Some((*key, element.get(key)?.as_str()?)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::source::parse_path;

    #[test]
    fn a_part_is_laid_over_an_object() {
        let mut object =
            json!({"a": 1, "b": {"c": 2}, "l": [{"name": "x", "v": 1}, {"name": "y"}], "s": ["p"]});
        let added = overlay(
            &mut object,
            &json!({"a": null, "b": {"d": {"e": 3}}, "l": [{"name": "y", "v": 2}, {"name": "z"}], "s": ["q"]}),
        );
        let wanted = json!({"b": {"c": 2, "d": {"e": 3}},
            "l": [{"name": "x", "v": 1}, {"name": "y", "v": 2}, {"name": "z"}], "s": ["q"]});
        assert_eq!(object, wanted);
        let near = |list: &str, name: &str, near: Option<&str>| Added {
            list: list.to_owned(),
            name: name.to_owned(),
            near: near.map(str::to_owned),
        };
        assert_eq!(added, [near("l", "z", Some("x"))]);
        let mut pod = json!({"containers": [{"name": "api", "image": "api:1"}], "env": [{"name": "LEVEL"}]});
        let part = json!({"containers": [{"name": "worker"}, {"name": "log", "image": "log:1"}],
            "env": [{"name": "REGION"}, {"name": "LEVELS"}]});
        assert_eq!(
            overlay(&mut pod, &part),
            [near("containers", "worker", None), near("env", "LEVELS", Some("LEVEL"))]
        );
    }

    #[test]
    fn of_an_object_a_part_is_looked_at() {
        let object = json!({"a": 1, "l": [{"name": "x", "v": 1, "w": 2}, {"name": "y"}]});
        let part = json!({"b": null, "l": [{"name": "x", "v": 3}, {"name": "z"}]});
        assert_eq!(project(&object, &part), json!({"b": null, "l": [{"name": "x", "v": 1}]}));
        let at = |path: &str| look_up(&object, &parse_path(path)).cloned();
        assert_eq!(at("l[x].w"), Some(json!(2)));
        assert_eq!(at("l[1].name"), Some(json!("y")));
        assert_eq!(at("l[z].w"), None);
    }
}
