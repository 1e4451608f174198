//! The result of an evaluation as JSON.

use cel::common::types::{CelBool, CelDouble, CelInt, CelOptional, CelString, CelUInt, Kind};
use cel::common::value::Val;
use serde_json::{Map, Number, Value};

use super::budget::Budget;
use super::error::EvaluationError;

/// The value as JSON, copied. An optional is what it holds, or null. Spends what it copies: a list may hold the same
/// long list many times.
pub(super) fn to_json(value: &dyn Val, budget: &Budget) -> Result<Value, EvaluationError> {
    let unwritable = || EvaluationError::NotJson(value.get_type().name().to_owned());
    budget.spend(1)?;
    match value.get_type().kind() {
        Kind::NullType => Ok(Value::Null),
        Kind::Boolean => {
            value.downcast_ref::<CelBool>().map(|bool| Value::from(*bool.inner())).ok_or_else(unwritable)
        }
        Kind::Int => {
            value.downcast_ref::<CelInt>().map(|int| Value::from(*int.inner())).ok_or_else(unwritable)
        }
        Kind::UInt => {
            value.downcast_ref::<CelUInt>().map(|uint| Value::from(*uint.inner())).ok_or_else(unwritable)
        }
        Kind::Double => value
            .downcast_ref::<CelDouble>()
            .and_then(|double| Number::from_f64(*double.inner()))
            .map(Value::Number)
            .ok_or_else(unwritable),
        Kind::String => string(value).map(Value::String).ok_or_else(unwritable),
        Kind::List => {
            let mut items = value.as_iterable().ok_or_else(unwritable)?.iter();
            let mut array = Vec::new();
            while let Some(item) = items.next() {
                array.push(to_json(item, budget)?);
            }
            Ok(Value::Array(array))
        }
        Kind::Map => {
            let (mut keys, entries) = (
                value.as_iterable().ok_or_else(unwritable)?.iter(),
                value.as_indexer().ok_or_else(unwritable)?,
            );
            let mut object = Map::new();
            while let Some(key) = keys.next() {
                let name = string(key).ok_or_else(unwritable)?;
                object.insert(name, to_json(entries.get(key)?.as_ref(), budget)?);
            }
            Ok(Value::Object(object))
        }
        _ => match value.downcast_ref::<CelOptional<'_>>().map(CelOptional::option) {
            Some(Some(held)) => to_json(held, budget),
            Some(None) => Ok(Value::Null),
            None => Err(unwritable()),
        },
    }
}

fn string(value: &dyn Val) -> Option<String> {
    value.downcast_ref::<CelString<'_>>().map(|string| string.inner().to_owned())
}
