//! A configuration from JSON.
//!
//! A deserializer of its own, small: what serde derives for a type is compiled for each deserializer that reads it, and
//! half of what a general one can read never stands in a configuration. It takes JSON as tokens are taken, with one
//! reading: a name that comes twice is an error.

use std::fmt::{self, Display};
use std::slice;

use serde::Deserialize;
use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, Expected, IntoDeserializer as _, MapAccess, SeqAccess,
    Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::Configuration;
use crate::jose::json::{Json, JsonError, Number, Object};

/// The longest configuration that is read, in bytes: more than an API server stores of an object.
const MOST_BYTES: usize = 4 << 20;

/// Why bytes are no configuration.
#[derive(Debug)]
pub struct DecodeError(Box<Why>);

/// Behind a pointer: whatever reads a part of a configuration hands an error on.
#[derive(Debug)]
struct Why(String);

impl Configuration {
    /// Reads a configuration.
    ///
    /// # Errors
    /// The bytes are no JSON with one reading, or not that of a configuration.
    pub fn from_json(bytes: &[u8]) -> Result<Self, DecodeError> {
        let json = Json::parse_up_to(bytes, MOST_BYTES)?;
        Self::deserialize(Value(&json))
    }
}

impl Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.0)
    }
}

impl std::error::Error for DecodeError {}

impl From<String> for DecodeError {
    fn from(why: String) -> Self {
        Self(Box::new(Why(why)))
    }
}

impl From<JsonError> for DecodeError {
    fn from(error: JsonError) -> Self {
        error.to_string().into()
    }
}

impl de::Error for DecodeError {
    fn custom<T: Display>(message: T) -> Self {
        message.to_string().into()
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        wrong(expected)
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        wrong(expected)
    }
}

/// Apart, as what follows: else it stands in whatever reads a part of a configuration.
#[cold]
#[inline(never)]
fn expected(what: &str) -> DecodeError {
    format!("expected {what}").into()
}

/// What was found is not told: a key may stand there.
#[cold]
#[inline(never)]
fn wrong(expected: &dyn Expected) -> DecodeError {
    format!("expected {expected}").into()
}

/// A value that is to become something.
#[derive(Clone, Copy)]
struct Value<'j>(&'j Json);

impl<'de> Deserializer<'de> for Value<'de> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.0 {
            Json::Null => visitor.visit_unit(),
            Json::Bool(is) => visitor.visit_bool(*is),
            Json::Number(number) => whole(number, visitor),
            Json::String(text) => visitor.visit_borrowed_str(text),
            Json::Array(list) => visitor.visit_seq(Elements(list.iter())),
            Json::Object(object) => visitor.visit_map(members(object)),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.0 {
            Json::Bool(is) => visitor.visit_bool(*is),
            _ => Err(wrong(&visitor)),
        }
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.0 {
            Json::Number(number) => whole(number, visitor),
            _ => Err(wrong(&visitor)),
        }
    }

    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_u64(visitor)
    }

    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_u64(visitor)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_u64(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.0 {
            Json::String(text) => visitor.visit_borrowed_str(text),
            _ => Err(wrong(&visitor)),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.0 {
            Json::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.0 {
            Json::Array(list) => visitor.visit_seq(Elements(list.iter())),
            _ => Err(wrong(&visitor)),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.0 {
            Json::Object(object) => visitor.visit_map(members(object)),
            _ => Err(wrong(&visitor)),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_map(visitor)
    }

    /// A word, or an object with one member: a word and what belongs to it.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let mut choices = match self.0 {
            Json::String(word) => return visitor.visit_enum(&Choice { word, value: None }),
            Json::Object(object) => object.iter(),
            _ => return Err(wrong(&visitor)),
        };
        match (choices.next(), choices.next()) {
            (Some((word, value)), None) => visitor.visit_enum(&Choice { word, value: Some(value) }),
            _ => Err(expected("one choice")),
        }
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct identifier ignored_any
    }
}

/// There are no other numbers in a configuration.
fn whole<'de, V: Visitor<'de>>(number: &Number, visitor: V) -> Result<V::Value, DecodeError> {
    match number.as_str().parse() {
        Ok(number) => visitor.visit_u64(number),
        Err(_) => Err(expected("a whole number that is not negative")),
    }
}

struct Elements<'j>(slice::Iter<'j, Json>);

impl<'de> SeqAccess<'de> for Elements<'de> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DecodeError> {
        self.0.next().map(|value| seed.deserialize(Value(value))).transpose()
    }
}

struct Members<'j, I> {
    rest: I,
    /// Of the name that was read last.
    value: &'j Json,
}

fn members(object: &Object) -> Members<'_, impl Iterator<Item = (&str, &Json)>> {
    Members { rest: object.iter(), value: &Json::Null }
}

impl<'de, I: Iterator<Item = (&'de str, &'de Json)>> MapAccess<'de> for Members<'de, I> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        let Some((name, value)) = self.rest.next() else { return Ok(None) };
        self.value = value;
        seed.deserialize(text(name)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, DecodeError> {
        seed.deserialize(Value(self.value))
    }
}

fn text(text: &str) -> StrDeserializer<'_, DecodeError> {
    text.into_deserializer()
}

struct Choice<'j> {
    word: &'j str,
    value: Option<&'j Json>,
}

impl<'de> EnumAccess<'de> for &Choice<'de> {
    type Error = DecodeError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), DecodeError> {
        Ok((seed.deserialize(text(self.word))?, self))
    }
}

impl<'de> VariantAccess<'de> for &Choice<'de> {
    type Error = DecodeError;

    fn unit_variant(self) -> Result<(), DecodeError> {
        match self.value {
            None => Ok(()),
            Some(_) => Err(format!("expected nothing beside {}", self.word).into()),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, DecodeError> {
        match self.value {
            Some(value) => seed.deserialize(Value(value)),
            None => Err(format!("expected something beside {}", self.word).into()),
        }
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, DecodeError> {
        Err(wrong(&visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match self.value {
            Some(value) => Value(value).deserialize_map(visitor),
            None => Err(wrong(&visitor)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Whatever is written is read as it was, and as serde_json reads it.
    #[test]
    fn a_configuration_is_read_as_it_was_written() {
        let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/../../manifests/examples");
        let mut read = 0;
        for system in std::fs::read_dir(examples).unwrap().flatten() {
            let Ok(yaml) = std::fs::read_to_string(system.path().join("policies/traffic.yaml")) else {
                continue;
            };
            let documents: Vec<serde_json::Value> = serde_saphyr::from_multiple(&yaml).unwrap();
            for document in documents {
                let clusters = json!({"jwks": {"a": "b"}, "rateLimitService": "c"});
                let name = json!({"namespace": "n", "name": "m"});
                let configuration = json!({"policy": name, "spec": document["spec"], "clusters": clusters, "verification": "Wasm"});
                let expected: Configuration = serde_json::from_value(configuration.clone()).unwrap();
                assert_eq!(Configuration::from_json(configuration.to_string().as_bytes()).unwrap(), expected);
                let written = serde_json::to_vec(&expected).unwrap();
                assert_eq!(Configuration::from_json(&written).unwrap(), expected);
                read += 1;
            }
        }
        assert!(read >= 6, "only {read} policies");
    }

    #[test]
    fn what_is_none_is_refused_and_not_quoted() {
        let read = |spec: &str| {
            let text = format!(r#"{{"policy": {{"namespace": "n", "name": "m"}}, "spec": {spec}}}"#);
            Configuration::from_json(text.as_bytes()).map(|_| ()).map_err(|error| error.to_string())
        };
        assert_eq!(read(r#"{"selector": {}}"#), Ok(()));
        for (spec, expected) in [
            (r#"{"selector": {}, "secret": 1}"#, "unknown field `secret`"),
            (r#"{"selector": {}, "selector": {}}"#, "a name comes twice"),
            (r#"{"hosts": "secret"}"#, "expected a sequence"),
            (r#"{"trustedHops": -1}"#, "expected a whole number"),
            (r#"{"trustedHops": 1.5}"#, "expected a whole number"),
            (r#"{"trustedHops": 256}"#, "expected u8"),
            (r#"{"mode": "Secretly"}"#, "unknown variant"),
            (r#"{"mode": {"Enforce": 1}}"#, "expected nothing beside Enforce"),
            (r#"{"mode": null}"#, "expected"),
            (r#"{"rateLimits": [{}]}"#, "missing field"),
            ("[]", "expected struct TrafficPolicySpec"),
            ("{", "it is no JSON"),
        ] {
            let error = read(spec).unwrap_err();
            assert!(error.contains(expected), "{spec}: {error}");
        }
    }
}
