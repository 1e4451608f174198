//! Whose tokens a request needs.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

const EXPECTED: &str =
    "write None, {anyOf: [PROVIDER, …]}, {allOf: [PROVIDER, …]} or {optional: [PROVIDER, …]}";

/// Whose tokens a request needs, written `None`, `{anyOf: [PROVIDER, …]}`, `{allOf: [PROVIDER, …]}` or
/// `{optional: [PROVIDER, …]}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Require {
    /// Nobody's.
    None,
    /// One of these providers'.
    AnyOf(Vec<String>),
    /// Each of these providers'.
    AllOf(Vec<String>),
    /// One of these providers', or none at all. A token that is there must be valid.
    Optional(Vec<String>),
}

impl Require {
    /// The providers that it names.
    #[must_use]
    pub fn providers(&self) -> &[String] {
        match self {
            Self::None => &[],
            Self::AnyOf(providers) | Self::AllOf(providers) | Self::Optional(providers) => providers,
        }
    }
}

impl Serialize for Require {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (field, providers) = match self {
            Self::None => return serializer.serialize_str("None"),
            Self::AnyOf(providers) => ("anyOf", providers),
            Self::AllOf(providers) => ("allOf", providers),
            Self::Optional(providers) => ("optional", providers),
        };
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(field, providers)?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for Require {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Requirement;

        impl<'de> de::Visitor<'de> for Requirement {
            type Value = Require;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "None, {anyOf: [PROVIDER, …]}, {allOf: [PROVIDER, …]} or {optional: [PROVIDER, …]}",
                )
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Require, E> {
                if text == "None" {
                    Ok(Require::None)
                } else {
                    Err(E::custom(format_args!("{text:?} is not a requirement: {EXPECTED}")))
                }
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Require, A::Error> {
                let one =
                    || de::Error::custom(format_args!("a requirement has exactly one field: {EXPECTED}"));
                let require = match map.next_key::<String>()?.as_deref() {
                    Some("anyOf") => Require::AnyOf(map.next_value()?),
                    Some("allOf") => Require::AllOf(map.next_value()?),
                    Some("optional") => Require::Optional(map.next_value()?),
                    Some(other) => {
                        return Err(de::Error::custom(format_args!(
                            "a requirement has no field {other:?}: {EXPECTED}"
                        )));
                    }
                    None => return Err(one()),
                };
                if map.next_key::<String>()?.is_some() { Err(one()) } else { Ok(require) }
            }
        }

        deserializer.deserialize_any(Requirement)
    }
}

impl JsonSchema for Require {
    fn schema_name() -> Cow<'static, str> {
        "Require".into()
    }

    fn schema_id() -> Cow<'static, str> {
        concat!(module_path!(), "::Require").into()
    }

    fn inline_schema() -> bool {
        true
    }

    /// A structural schema can't say "this text or an object": anything passes it, and reading and
    /// [`check`](crate::check) say what is wrong.
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "None, {anyOf: [PROVIDER, …]}, {allOf: [PROVIDER, …]} or {optional: [PROVIDER, …]}.",
            "x-kubernetes-preserve-unknown-fields": true,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_requirement_is_read_and_written_in_the_same_form() {
        for json in ["\"None\"", r#"{"anyOf":["a","b"]}"#, r#"{"allOf":["a"]}"#, r#"{"optional":["a"]}"#] {
            let require: Require = serde_json::from_str(json).unwrap();
            assert_eq!(serde_json::to_string(&require).unwrap(), json);
        }
    }

    #[test]
    fn anything_else_is_refused_with_what_is_expected() {
        for (json, message) in [
            ("\"none\"", "\"none\" is not a requirement: write None, {anyOf: "),
            ("{}", "a requirement has exactly one field: write None, {anyOf: "),
            (r#"{"anyOf":[],"allOf":[]}"#, "a requirement has exactly one field: write None, {anyOf: "),
            (r#"{"oneOf":[]}"#, "a requirement has no field \"oneOf\": write None, {anyOf: "),
            ("null", "invalid type: null, expected None, {anyOf: "),
            ("[\"a\"]", "invalid type: sequence, expected None, {anyOf: "),
        ] {
            let error = serde_json::from_str::<Require>(json).unwrap_err().to_string();
            assert!(error.starts_with(message), "{json}: {error}");
        }
    }
}
