//! Parts of objects: laid over an object, and looked up in one. Elements of lists are known by their names.

use sallyport_policy::{FieldPath, Segment};
use serde_json::{Map, Value};

/// The fields by which elements of lists are known.
const NAMES: [&str; 5] = ["name", "mountPath", "key", "topologyKey", "path"];

/// Sets in `object` what `part` says. Null takes a field away.
pub(super) fn overlay(object: &mut Value, part: &Value) {
    match (object, part) {
        (Value::Object(object), Value::Object(part)) => {
            for (key, part) in part {
                if part.is_null() {
                    object.remove(key);
                } else {
                    overlay(object.entry(key.clone()).or_insert(Value::Null), part);
                }
            }
        }
        (Value::Array(elements), Value::Array(parts)) if parts.iter().all(|part| name(part).is_some()) => {
            for part in parts {
                match elements.iter_mut().find(|element| name(element) == name(part)) {
                    Some(element) => overlay(element, part),
                    None => elements.push(part.clone()),
                }
            }
        }
        (object @ Value::Null, Value::Object(_)) => {
            *object = Value::Object(Map::new());
            overlay(object, part);
        }
        (object, part) => *object = part.clone(),
    }
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
        overlay(
            &mut object,
            &json!({"a": null, "b": {"d": {"e": 3}}, "l": [{"name": "y", "v": 2}, {"name": "z"}], "s": ["q"]}),
        );
        let wanted = json!({"b": {"c": 2, "d": {"e": 3}},
            "l": [{"name": "x", "v": 1}, {"name": "y", "v": 2}, {"name": "z"}], "s": ["q"]});
        assert_eq!(object, wanted);
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
