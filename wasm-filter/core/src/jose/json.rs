//! JSON with one reading (RFC 8259, I-JSON's rule on names of RFC 7493 §2.3).
//!
//! Numbers keep their text, since claims are compared and forwarded as the issuer wrote them; so nothing here rounds.

use thiserror::Error;

use super::NumericDate;
use crate::distinct::distinct;

/// The longest text that is read, in bytes.
pub const MAX_LENGTH: usize = 256 * 1024;
/// How deep lists and objects may lie in each other.
pub const MAX_DEPTH: usize = 32;

/// A JSON value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A string.
    String(Box<str>),
    /// A list.
    Array(Vec<Json>),
    /// An object.
    Object(Object),
}

/// A JSON number, as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Number(Box<str>);

/// A JSON object: names, each once, and their values, in the order of the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Object(Vec<(Box<str>, Json)>);

/// Why a text is not read. Places count bytes from 0; nothing of the text is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum JsonError {
    /// It is longer than is read.
    #[error("it is too long")]
    TooLong,
    /// It is not UTF-8.
    #[error("it is not UTF-8 from byte {0} on")]
    NotUtf8(usize),
    /// It is no JSON.
    #[error("it is no JSON from byte {0} on")]
    Syntax(usize),
    /// More follows the value.
    #[error("more follows its end at byte {0}")]
    Trailing(usize),
    /// Lists and objects lie deeper in each other than [`MAX_DEPTH`].
    #[error("it is nested more than {MAX_DEPTH} deep at byte {0}")]
    TooDeep(usize),
    /// A name comes twice in the object that ends there.
    #[error("a name comes twice in the object that ends at byte {0}")]
    Duplicate(usize),
}

impl Json {
    /// Reads a text that is one value.
    ///
    /// # Errors
    /// It is no JSON, or not JSON with one reading.
    pub fn parse(text: &[u8]) -> Result<Self, JsonError> {
        Self::parse_up_to(text, MAX_LENGTH)
    }

    /// As [`parse`](Self::parse), of so many bytes at most.
    ///
    /// # Errors
    /// As for [`parse`](Self::parse).
    pub fn parse_up_to(text: &[u8], most: usize) -> Result<Self, JsonError> {
        if text.len() > most {
            return Err(JsonError::TooLong);
        }
        let text = str::from_utf8(text).map_err(|error| JsonError::NotUtf8(error.valid_up_to()))?;
        super::json_reader::read(text)
    }

    /// The string, if it is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if it is one.
    #[must_use]
    pub fn as_number(&self) -> Option<&Number> {
        match self {
            Self::Number(number) => Some(number),
            _ => None,
        }
    }

    /// The list, if it is one.
    #[must_use]
    pub fn as_array(&self) -> Option<&[Self]> {
        match self {
            Self::Array(list) => Some(list),
            _ => None,
        }
    }

    /// The object, if it is one.
    #[must_use]
    pub fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The value that names lead to, each the name of a member of the object before.
    #[must_use]
    pub fn at<N: AsRef<str>>(&self, path: &[N]) -> Option<&Self> {
        path.iter().try_fold(self, |value, name| value.as_object()?.get(name.as_ref()))
    }
}

impl Number {
    pub(super) fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// It, as it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// It, as a date (RFC 7519 §2), if it is within the dates that can be told.
    #[must_use]
    pub fn date(&self) -> Option<NumericDate> {
        NumericDate::read(&self.0)
    }
}

impl Object {
    /// An object of these members, if no name comes twice.
    pub(super) fn new(members: Vec<(Box<str>, Json)>) -> Option<Self> {
        let names = distinct(members.iter().map(|(name, _)| name.as_bytes()).collect());
        (names.len() == members.len()).then_some(Self(members))
    }

    /// The value of a member.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Json> {
        self.iter().find_map(|(other, value)| (other == name).then_some(value))
    }

    /// Its members.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }
}
