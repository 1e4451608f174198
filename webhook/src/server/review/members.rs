//! Reading the members of a JSON object strictly: each once, each of its type, and no value in any error.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::{Map, Value};

use super::fault::{Fault, LEVELS_MAX, MEMBERS_MAX, Malformed, Member, Place};

/// Carries a fault past serde's error, which could hold nothing but text.
#[derive(Default)]
pub(super) struct Faults(RefCell<Option<Fault>>);

impl Faults {
    fn fail<E: serde::de::Error>(&self, fault: Fault) -> E {
        self.0.replace(Some(fault));
        E::custom("")
    }

    pub(super) fn explain(&self, error: &serde_json::Error, body: &[u8]) -> Malformed {
        let place = Place::of_error(body, error);
        let fault = self.0.take().unwrap_or_else(|| {
            if place.levels(body) > LEVELS_MAX {
                return Fault::TooDeep;
            }
            let text = error.to_string();
            let position = format!(" at line {} column {}", error.line(), error.column());
            Fault::Syntax(text.strip_suffix(&position).unwrap_or(&text).to_owned())
        });
        Malformed { fault, place: Some(place) }
    }
}

/// Something read from the members of a JSON object.
pub(super) trait Members: Sized {
    /// The members that are read; others are skipped, whatever they hold.
    const NAMES: &'static [&'static str];

    /// Reads one of [`Self::NAMES`].
    fn read<'de, A: MapAccess<'de>>(&mut self, member: Member, next: Next<'_, A>) -> Result<(), A::Error>;
}

/// The value of the member that is being read.
pub(super) struct Next<'a, A> {
    faults: &'a Faults,
    member: Member,
    map: &'a mut A,
}

impl<'de, A: MapAccess<'de>> Next<'_, A> {
    pub(super) fn text(self) -> Result<String, A::Error> {
        let leaf = Leaf { faults: self.faults, member: self.member, wanted: "a string", null: false };
        self.map.next_value_seed(TextOf(leaf)).map(Cow::into_owned)
    }

    pub(super) fn optional_text(self) -> Result<String, A::Error> {
        let leaf = Leaf { faults: self.faults, member: self.member, wanted: "a string", null: true };
        self.map.next_value_seed(TextOf(leaf)).map(Cow::into_owned)
    }

    pub(super) fn texts(self) -> Result<Vec<String>, A::Error> {
        let leaf = Leaf { faults: self.faults, member: self.member, wanted: "a list of strings", null: true };
        self.map.next_value_seed(TextsOf(leaf))
    }

    pub(super) fn flag(self) -> Result<Option<bool>, A::Error> {
        let leaf = Leaf { faults: self.faults, member: self.member, wanted: "true or false", null: true };
        self.map.next_value_seed(FlagOf(leaf))
    }

    pub(super) fn object<T: Members>(self, path: &'static str, read: T) -> Result<T, A::Error> {
        let member = Member { parent: path, name: "" };
        self.map.next_value_seed(Object { faults: self.faults, member, read })
    }

    /// A Kubernetes object as it is, but for the field at the path `left_out`, or null.
    pub(super) fn untyped(self, left_out: &'static [&'static str]) -> Result<Value, A::Error> {
        let seed = Untyped { faults: self.faults, member: self.member, left_out };
        let value = self.map.next_value_seed(seed)?;
        let found = match value {
            Value::Object(_) | Value::Null => return Ok(value),
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "a list",
        };
        let wanted = "an object or null";
        Err(self.faults.fail(Fault::WrongType { member: self.member, found, wanted }))
    }
}

/// Any value as it is, of which each object has each member once: of two, another reader might take the other.
#[derive(Clone, Copy)]
struct Untyped<'f> {
    faults: &'f Faults,
    member: Member,
    /// The path of a field that is not kept; it must be JSON, and is not looked at otherwise. Empty: all is kept.
    left_out: &'static [&'static str],
}

impl Untyped<'_> {
    /// What stands below, at a name or in a list.
    fn below(self, left_out: &'static [&'static str]) -> Self {
        Self { left_out, ..self }
    }
}

impl<'de> DeserializeSeed<'de> for Untyped<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Untyped<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element_seed(self.below(&[]))? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        let mut left_out = false;
        while let Some(name) = map.next_key::<String>()? {
            let below: &[&str] = match self.left_out {
                [last] if *last == name => {
                    if std::mem::replace(&mut left_out, true) {
                        return Err(self.faults.fail(Fault::Duplicate(self.member)));
                    }
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
                [first, below @ ..] if *first == name => below,
                _ => &[],
            };
            match object.entry(name) {
                Entry::Vacant(place) => drop(place.insert(map.next_value_seed(self.below(below))?)),
                Entry::Occupied(_) => return Err(self.faults.fail(Fault::Duplicate(self.member))),
            }
        }
        Ok(Value::Object(object))
    }
}

/// Visitor methods for what must not stand here. serde's own would quote the value.
macro_rules! refuse {
    ($($what:ident)*) => { $(refuse!(@ $what);)* };
    (@ bool) => { fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<Self::Value, E> { self.wrong("true or false") } };
    (@ number) => {
        fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<Self::Value, E> { self.wrong("a number") }
        fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<Self::Value, E> { self.wrong("a number") }
        fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<Self::Value, E> { self.wrong("a number") }
    };
    (@ text) => { fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<Self::Value, E> { self.wrong("a string") } };
    (@ null) => { fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> { self.wrong("null") } };
    (@ list) => { fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> { self.wrong("a list") } };
    (@ map) => { fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> { self.wrong("an object") } };
}

/// What a member that is no object must hold.
#[derive(Clone, Copy)]
struct Leaf<'f> {
    faults: &'f Faults,
    member: Member,
    wanted: &'static str,
    /// Whether null stands for the member's absence, as Go reads it.
    null: bool,
}

impl Leaf<'_> {
    fn wrong<T, E: serde::de::Error>(self, found: &'static str) -> Result<T, E> {
        Err(self.faults.fail(Fault::WrongType { member: self.member, found, wanted: self.wanted }))
    }

    fn absent<T: Default, E: serde::de::Error>(self) -> Result<T, E> {
        if self.null { Ok(T::default()) } else { self.wrong("null") }
    }
}

/// A seed that is its own visitor, for a [`Leaf`].
macro_rules! leaf {
    ($name:ident -> $value:ty { $($body:tt)* }) => {
        #[derive(Clone, Copy)]
        struct $name<'f>(Leaf<'f>);

        impl $name<'_> {
            fn wrong<T, E: serde::de::Error>(self, found: &'static str) -> Result<T, E> {
                self.0.wrong(found)
            }
        }

        impl<'de> DeserializeSeed<'de> for $name<'_> {
            type Value = $value;

            fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
                json.deserialize_any(self)
            }
        }

        impl<'de> Visitor<'de> for $name<'_> {
            type Value = $value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.0.wanted)
            }

            $($body)*
        }
    };
}

leaf!(TextOf -> Cow<'de, str> {
    refuse!(bool number list map);

    fn visit_borrowed_str<E: serde::de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
        self.0.absent()
    }
});

leaf!(TextsOf -> Vec<String> {
    refuse!(bool number text map);

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut texts = Vec::new();
        let item = Leaf { null: false, ..self.0 };
        while let Some(text) = list.next_element_seed(TextOf(item))? {
            texts.push(text.into_owned());
        }
        Ok(texts)
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
        self.0.absent()
    }
});

leaf!(FlagOf -> Option<bool> {
    refuse!(number text list map);

    fn visit_bool<E: serde::de::Error>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Some(flag))
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
        self.0.absent()
    }
});

/// A JSON object of the envelope.
pub(super) struct Object<'f, T> {
    pub(super) faults: &'f Faults,
    pub(super) member: Member,
    pub(super) read: T,
}

impl<T> Object<'_, T> {
    fn wrong<V, E: serde::de::Error>(&self, found: &'static str) -> Result<V, E> {
        Err(self.faults.fail(Fault::WrongType { member: self.member, found, wanted: "an object" }))
    }
}

impl<'de, T: Members> DeserializeSeed<'de> for Object<'_, T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<T, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de, T: Members> Visitor<'de> for Object<'_, T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    refuse!(bool number text null list);

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<T, A::Error> {
        let mut seen: Vec<Cow<'de, str>> = Vec::with_capacity(16);
        let key = Leaf { faults: self.faults, member: self.member, wanted: "a name", null: false };
        while let Some(name) = map.next_key_seed(TextOf(key))? {
            if seen.contains(&name) {
                return Err(self.faults.fail(Fault::Duplicate(self.member)));
            }
            if seen.len() == MEMBERS_MAX {
                return Err(self.faults.fail(Fault::TooManyMembers(self.member)));
            }
            match T::NAMES.iter().find(|known| **known == name) {
                Some(known) => {
                    let member = Member { parent: self.member.parent, name: known };
                    self.read.read(member, Next { faults: self.faults, member, map: &mut map })?;
                }
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            seen.push(name);
        }
        Ok(self.read)
    }
}
