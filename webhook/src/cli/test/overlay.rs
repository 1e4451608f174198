//! Parts of objects: laid over an object, and looked up in one. Elements of lists are known by their names.

use sallyport_admission::element;
use sallyport_policy::{FieldPath, Segment, nearest};
use serde_json::{Map, Value};

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
        (Value::Array(elements), Value::Array(parts)) if are_named(field, parts) => {
            for part in parts {
                let name = element::name(field, part);
                match elements.iter_mut().find(|element| element::name(field, element) == name) {
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
    let called = element::name(list, new)?.into_owned();
    let others: Vec<_> = elements.iter().filter_map(|element| element::name(list, element)).collect();
    let near = nearest(&called, others.iter().map(|other| &**other)).map(str::to_owned);
    let runs_nothing = list.to_lowercase().ends_with("containers") && new.get("image").is_none();
    let doubtful = near.is_some() || runs_nothing;
    doubtful.then(|| Added { list: list.to_owned(), name: called, near })
}

/// What `object` has of the fields that `part` names, in its shape; null for what is not there.
pub(super) fn project(object: &Value, part: &Value) -> Value {
    project_field("", object, part)
}

fn project_field(field: &str, object: &Value, part: &Value) -> Value {
    match (object, part) {
        (Value::Object(object), Value::Object(part)) => {
            let fields = part.iter().map(|(key, part)| {
                let value = object.get(key).map_or(Value::Null, |value| project_field(key, value, part));
                (key.clone(), value)
            });
            Value::Object(fields.collect())
        }
        (Value::Array(elements), Value::Array(parts)) if !parts.is_empty() && are_named(field, parts) => {
            let found = parts.iter().filter_map(|part| {
                let name = element::name(field, part);
                let element = elements.iter().find(|element| element::name(field, element) == name)?;
                Some(project(element, part))
            });
            Value::Array(found.collect())
        }
        (object, _) => object.clone(),
    }
}

fn are_named(field: &str, parts: &[Value]) -> bool {
    parts.iter().all(|part| element::name(field, part).is_some())
}

/// The field at a path.
pub(super) fn look_up<'v>(object: &'v Value, path: &FieldPath) -> Option<&'v Value> {
    let mut field = "";
    path.segments().iter().try_fold(object, |at, segment| {
        let called = match segment {
            Segment::Index(index) => return at.get(index),
            Segment::Field(name) => name.as_ref(),
            Segment::Key(name) | Segment::Named(name) => name,
        };
        let list = std::mem::replace(&mut field, called);
        match at {
            Value::Object(fields) => fields.get(called),
            Value::Array(elements) => elements.get(element::position(list, elements, called)?),
            _ => None,
        }
    })
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
        let lists = json!({
            "ports": [{"containerPort": 8080, "name": "http"}, {"containerPort": 53, "protocol": "UDP"}],
            "tolerations": [{"key": "a", "effect": "NoSchedule"}, {"operator": "Exists"}],
            "volumeDevices": [{"name": "b", "devicePath": "/dev/b"}],
        });
        for (path, wanted) in [
            ("ports[53/UDP].containerPort", json!(53)),
            ("ports[8080].name", json!("http")),
            ("tolerations[a].effect", json!("NoSchedule")),
            ("tolerations[*].operator", json!("Exists")),
            ("volumeDevices[/dev/b].name", json!("b")),
        ] {
            assert_eq!(look_up(&lists, &parse_path(path)), Some(&wanted), "{path}");
        }
    }
}
