//! Parts of core/v1 that a policy holds as they stand.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// An object of the Kubernetes API, kept as it stands so that fields of any Kubernetes version pass through.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct Embedded(pub Map<String, Value>);

impl JsonSchema for Embedded {
    fn schema_name() -> Cow<'static, str> {
        "Embedded".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
    }
}

/// Where an init container or native sidecar is put among the init containers: `First`, `Last` (the default),
/// `{before: NAME}` or `{after: NAME}`; `Last` too where no init container has that name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Position {
    /// Before all others.
    First,
    /// After all others.
    #[default]
    Last,
    /// Right before the named one.
    Before(String),
    /// Right after the named one.
    After(String),
}

impl JsonSchema for Position {
    fn schema_name() -> Cow<'static, str> {
        "Position".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Where it is put among the init containers: First, Last (the default), {before: NAME} or \
                {after: NAME}; Last too where no init container has that name.",
            "x-kubernetes-preserve-unknown-fields": true
        })
    }
}

const POSITIONS: &str = "First, Last, {before: NAME} or {after: NAME}";

impl<'de> Deserialize<'de> for Position {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PositionVisitor;

        impl<'de> Visitor<'de> for PositionVisitor {
            type Value = Position;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(POSITIONS)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Position, E> {
                match text {
                    "First" => Ok(Position::First),
                    "Last" => Ok(Position::Last),
                    other => Err(E::invalid_value(de::Unexpected::Str(other), &self)),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Position, A::Error> {
                let position = match map.next_entry::<String, String>()? {
                    Some((key, name)) if key == "before" => Position::Before(name),
                    Some((key, name)) if key == "after" => Position::After(name),
                    Some((key, _)) => return Err(de::Error::unknown_field(&key, &["before", "after"])),
                    None => return Err(de::Error::invalid_length(0, &self)),
                };
                if map.next_key::<String>()?.is_some() {
                    return Err(de::Error::custom(format!("more than one position; expected {POSITIONS}")));
                }
                Ok(position)
            }
        }

        deserializer.deserialize_any(PositionVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_position_is_a_word_or_an_anchor() {
        let read = |value: Value| serde_json::from_value::<Position>(value);
        assert_eq!(read(json!("First")).unwrap(), Position::First);
        assert_eq!(read(json!({"before": "migrate"})).unwrap(), Position::Before("migrate".into()));
        assert_eq!(read(json!({"after": "migrate"})).unwrap(), Position::After("migrate".into()));
        for wrong in
            [json!("first"), json!({}), json!({"at": "x"}), json!({"before": "a", "after": "b"}), json!(1)]
        {
            assert!(read(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
