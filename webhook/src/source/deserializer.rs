//! A value as a serde deserializer whose errors keep their facts and know their place.

use std::collections::HashSet;
use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, Expected, MapAccess, SeqAccess, Unexpected,
    VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::Value;

use super::locate::Step;

/// Why a value is not what was wanted, and where.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) problem: Problem,
    /// Whether it is about the key of the last step rather than its value.
    pub(super) on_key: bool,
    /// From the failing field up to the root.
    steps_up: Vec<Step>,
}

/// Why a value is not what was wanted.
#[derive(Debug)]
pub(super) enum Problem {
    UnknownField { found: String, known: &'static [&'static str] },
    MissingField(&'static str),
    UnknownVariant { found: String, known: &'static [&'static str] },
    NotOneVariant { found: usize, known: &'static [&'static str] },
    Mismatch { found: String, wanted: String, quotes_would_help: bool },
    Other(String),
}

impl Failure {
    fn new(problem: Problem) -> Self {
        Self { problem, on_key: false, steps_up: Vec::new() }
    }

    fn under(mut self, step: Step) -> Self {
        self.steps_up.push(step);
        self
    }

    fn on_key(mut self) -> Self {
        self.on_key = true;
        self
    }

    /// The steps from the root to the failing field.
    pub(super) fn steps(&self) -> Vec<Step> {
        self.steps_up.iter().rev().cloned().collect()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.problem)
    }
}

impl std::error::Error for Failure {}

impl Error for Failure {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(Problem::Other(message.to_string()))
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let wanted = in_words(&expected.to_string());
        let scalar = matches!(
            unexpected,
            Unexpected::Bool(_) | Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_)
        );
        let quotes_would_help = scalar && wanted == "a string";
        Self::new(Problem::Mismatch { found: found_in_words(&unexpected), wanted, quotes_would_help })
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(Problem::Mismatch {
            found: found_in_words(&unexpected),
            wanted: in_words(&expected.to_string()),
            quotes_would_help: false,
        })
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::new(Problem::UnknownVariant { found: variant.to_owned(), known: expected })
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::new(Problem::UnknownField { found: field.to_owned(), known: expected })
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(Problem::MissingField(field))
    }
}

fn found_in_words(unexpected: &Unexpected<'_>) -> String {
    match unexpected {
        Unexpected::Bool(flag) => format!("the boolean {flag}"),
        Unexpected::Unsigned(number) => format!("the number {number}"),
        Unexpected::Signed(number) => format!("the number {number}"),
        Unexpected::Float(number) => format!("the number {number:?}"),
        Unexpected::Str(text) if text.chars().count() > 60 => "a string".to_owned(),
        Unexpected::Str(text) => format!("the string {text:?}"),
        Unexpected::Unit | Unexpected::Option => "null".to_owned(),
        Unexpected::Map => "an object".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        other => other.to_string(),
    }
}

/// What a Rust type calls itself, as someone who writes YAML knows it.
fn in_words(expected: &str) -> String {
    let words = match expected {
        "u8" => "an integer from 0 to 255",
        "u16" => "an integer from 0 to 65535",
        "u32" => "an integer from 0 to 4294967295",
        "u64" | "usize" | "u128" => "an integer, 0 or more",
        "i8" | "i16" | "i32" | "i64" | "isize" | "i128" => "an integer",
        "f32" | "f64" => "a number",
        "a map" => "an object",
        "a sequence" => "a list",
        "unit" => "null",
        _ if expected.starts_with("struct ") || expected.starts_with("internally tagged enum") => "an object",
        _ => expected,
    };
    words.to_owned()
}

/// A value, as if what is pruned from it were not there.
#[derive(Clone, Copy)]
pub(super) struct Pruned<'de> {
    value: &'de Value,
    /// The addresses of what is pruned, which tell apart equal values.
    pruned: &'de HashSet<*const Value>,
    /// Whether a field that a type does not know fails, though the type would pass it over.
    strict: bool,
}

impl<'de> Pruned<'de> {
    pub(super) fn new(value: &'de Value, pruned: &'de HashSet<*const Value>) -> Self {
        Self { value, pruned, strict: false }
    }

    /// The same, with no field that a type does not know.
    pub(super) fn strict(self) -> Self {
        Self { strict: true, ..self }
    }

    fn stands(&self, value: &'de Value) -> bool {
        !self.pruned.contains(&std::ptr::from_ref(value))
    }

    fn inside(&self, value: &'de Value) -> Self {
        Self { value, ..*self }
    }
}

impl<'de> Deserializer<'de> for Pruned<'de> {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(flag) => visitor.visit_bool(*flag),
            Value::Number(number) => {
                if let Some(unsigned) = number.as_u64() {
                    visitor.visit_u64(unsigned)
                } else if let Some(signed) = number.as_i64() {
                    visitor.visit_i64(signed)
                } else {
                    visitor.visit_f64(number.as_f64().unwrap_or_default())
                }
            }
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Array(elements) => {
                visitor.visit_seq(Elements { of: self, rest: elements.iter().enumerate() })
            }
            Value::Object(members) => {
                visitor.visit_map(Members { of: self, rest: members.iter(), value: None })
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        if self.value.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        if let (true, Value::Object(members)) = (self.strict, self.value) {
            let mut standing = members.iter().filter(|(_, value)| self.stands(value));
            if let Some((name, _)) = standing.find(|(name, _)| !known.contains(&name.as_str())) {
                let failure = Failure::unknown_field(name, known);
                return Err(failure.under(Step::Member(name.clone())).on_key());
            }
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        match self.value {
            Value::String(name) => visitor.visit_enum(Variant { name, content: None }),
            Value::Object(members) => {
                let mut standing = members.iter().filter(|(_, value)| self.stands(value));
                match (standing.next(), standing.count()) {
                    (Some((name, value)), 0) => {
                        visitor.visit_enum(Variant { name, content: Some(self.inside(value)) })
                    }
                    (None, _) => Err(Failure::new(Problem::NotOneVariant { found: 0, known })),
                    (Some(_), more) => Err(Failure::new(Problem::NotOneVariant { found: more + 1, known })),
                }
            }
            other => Err(mismatch(other, format!("one of {}", known.join(", ")))),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

/// The elements of a list, without the pruned ones; positions stay those of the whole list.
struct Elements<'de> {
    of: Pruned<'de>,
    rest: std::iter::Enumerate<std::slice::Iter<'de, Value>>,
}

impl<'de> SeqAccess<'de> for Elements<'de> {
    type Error = Failure;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Failure> {
        let of = self.of;
        let Some((index, value)) = self.rest.find(|(_, value)| of.stands(value)) else { return Ok(None) };
        seed.deserialize(of.inside(value)).map(Some).map_err(|failure| failure.under(Step::Element(index)))
    }
}

/// The members of an object, without the pruned ones.
struct Members<'de> {
    of: Pruned<'de>,
    rest: serde_json::map::Iter<'de>,
    value: Option<(&'de String, &'de Value)>,
}

impl<'de> MapAccess<'de> for Members<'de> {
    type Error = Failure;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Failure> {
        let of = self.of;
        self.value = self.rest.find(|(_, value)| of.stands(value));
        let Some((name, _)) = self.value else { return Ok(None) };
        let at_key = |failure: Failure| failure.under(Step::Member(name.clone())).on_key();
        seed.deserialize(Name(name)).map(Some).map_err(at_key)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Failure> {
        let Some((name, value)) = self.value.take() else {
            return Err(Failure::custom("a value was asked for before its key"));
        };
        let at_value = |failure: Failure| failure.under(Step::Member(name.clone()));
        seed.deserialize(self.of.inside(value)).map_err(at_value)
    }
}

/// A member's name.
#[derive(Clone, Copy)]
struct Name<'de>(&'de str);

impl<'de> Deserializer<'de> for Name<'de> {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_borrowed_str(self.0)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        visitor.visit_enum(Variant { name: self.0, content: None })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

/// A variant: a string, or an object of one member.
struct Variant<'de> {
    name: &'de str,
    content: Option<Pruned<'de>>,
}

impl Variant<'_> {
    /// Within an object, a failure is beneath the variant's name.
    fn place(&self, failure: Failure) -> Failure {
        if self.content.is_some() { failure.under(Step::Member(self.name.to_owned())) } else { failure }
    }
}

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = Failure;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Failure> {
        match seed.deserialize(Name(self.name)) {
            Ok(variant) => Ok((variant, self)),
            Err(failure) if self.content.is_some() => Err(self.place(failure).on_key()),
            Err(failure) => Err(failure),
        }
    }
}

impl<'de> VariantAccess<'de> for Variant<'de> {
    type Error = Failure;

    fn unit_variant(self) -> Result<(), Failure> {
        match self.content {
            None => Ok(()),
            Some(content) => Err(self.place(mismatch(content.value, format!("nothing below {}", self.name)))),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Failure> {
        match self.content {
            Some(content) => seed.deserialize(content).map_err(|failure| self.place(failure)),
            None => Err(bare(self.name)),
        }
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Failure> {
        match self.content {
            Some(content) => content.deserialize_any(visitor).map_err(|failure| self.place(failure)),
            None => Err(bare(self.name)),
        }
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        match self.content {
            Some(content) => content.deserialize_any(visitor).map_err(|failure| self.place(failure)),
            None => Err(bare(self.name)),
        }
    }
}

/// A variant that needs content stands alone.
fn bare(name: &str) -> Failure {
    let wanted = format!("an object, {{{name}: …}}");
    Failure::new(Problem::Mismatch {
        found: format!("the string {name:?}"),
        wanted,
        quotes_would_help: false,
    })
}

fn mismatch(value: &Value, wanted: String) -> Failure {
    let found = match value {
        Value::Null => Unexpected::Unit,
        Value::Bool(flag) => Unexpected::Bool(*flag),
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(unsigned), _) => Unexpected::Unsigned(unsigned),
            (None, Some(signed)) => Unexpected::Signed(signed),
            (None, None) => Unexpected::Float(number.as_f64().unwrap_or_default()),
        },
        Value::String(text) => Unexpected::Str(text),
        Value::Array(_) => Unexpected::Seq,
        Value::Object(_) => Unexpected::Map,
    };
    let found = found_in_words(&found);
    Failure::new(Problem::Mismatch { found, wanted, quotes_would_help: false })
}
