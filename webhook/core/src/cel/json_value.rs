//! A JSON value as a CEL value: borrowed, and looked into only where an expression looks.
//!
//! Kubernetes hands CEL its objects untyped: integers are `int`, fractions `double`, objects maps with string keys.

use std::fmt;

use cel::common::types::{CelBool, CelDouble, CelInt, CelNull, CelString, CelUInt};
use cel::common::value::{CowVal, Val};
use serde_json::{Number, Value};

use super::json_list::JsonList;
use super::json_map::JsonMap;

/// One JSON value, not looked into.
#[derive(Clone)]
pub(super) enum JsonValue<'v> {
    Null,
    Bool(CelBool),
    Int(CelInt),
    Uint(CelUInt),
    Double(CelDouble),
    String(CelString<'v>),
    List(JsonList<'v>),
    Map(JsonMap<'v>),
}

impl<'v> JsonValue<'v> {
    /// The CEL value, borrowed.
    pub(super) fn as_val<'b>(&'b self) -> &'b (dyn Val + 'v) {
        match self {
            Self::Null => &CelNull,
            Self::Bool(value) => value,
            Self::Int(value) => value,
            Self::Uint(value) => value,
            Self::Double(value) => value,
            Self::String(value) => value,
            Self::List(value) => value,
            Self::Map(value) => value,
        }
    }

    /// The CEL value, owned. Null and booleans cost no allocation.
    pub(super) fn into_cow<'b, 'w>(self) -> CowVal<'b, 'w>
    where
        'v: 'w,
    {
        match self {
            Self::Null => CowVal::Borrowed(&CelNull),
            Self::Bool(CelBool::TRUE) => CowVal::Borrowed(&CelBool::TRUE),
            Self::Bool(_) => CowVal::Borrowed(&CelBool::FALSE),
            Self::Int(value) => CowVal::owned(value),
            Self::Uint(value) => CowVal::owned(value),
            Self::Double(value) => CowVal::owned(value),
            Self::String(value) => CowVal::owned(value),
            Self::List(value) => CowVal::owned(value),
            Self::Map(value) => CowVal::owned(value),
        }
    }
}

impl<'v> From<&'v Value> for JsonValue<'v> {
    fn from(value: &'v Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(CelBool::from(*value)),
            Value::Number(number) => number_value(number),
            Value::String(value) => Self::String(CelString::from(value.as_str())),
            Value::Array(items) => Self::List(JsonList::new(items)),
            Value::Object(entries) => Self::Map(JsonMap::new(entries)),
        }
    }
}

/// `int` where it fits, else `uint`, else `double`.
fn number_value<'v>(number: &Number) -> JsonValue<'v> {
    if let Some(int) = number.as_i64() {
        JsonValue::Int(CelInt::from(int))
    } else if let Some(uint) = number.as_u64() {
        JsonValue::Uint(CelUInt::from(uint))
    } else {
        JsonValue::Double(CelDouble::from(number.as_f64().unwrap_or(f64::NAN)))
    }
}

/// Names the type only: objects hold what logs must not.
impl fmt::Debug for JsonValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JsonValue({})", self.as_val().get_type().name())
    }
}
