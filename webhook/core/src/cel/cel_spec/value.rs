//! Values and types as cel-spec's tests write them.

use std::collections::HashMap;

use cel::common::types::{
    CelBool, CelBytes, CelDouble, CelInt, CelList, CelMap, CelNull, CelOptional, CelString, CelType, CelUInt,
    Kind,
};
use cel::common::value::{CowVal, Val};

use super::super::types::Type;
use super::super::{Budget, Expression, Names, Scope, equality, kubernetes};
use super::text_format::Message;

/// The value of a `cel.expr.Value`; `None` where it is one of a type that there is not here.
pub(super) fn value(message: &Message) -> Option<Box<dyn Val>> {
    let (kind, field) = message.only()?;
    Some(match kind {
        "null_value" => Box::new(CelNull),
        "bool_value" => Box::new(CelBool::from(field.word()? == "true")),
        "int64_value" => Box::new(CelInt::from(int::<i64>(field.word()?)?)),
        "uint64_value" => Box::new(CelUInt::from(int::<u64>(field.word()?)?)),
        "double_value" => Box::new(CelDouble::from(field.word()?.parse::<f64>().ok()?)),
        "string_value" => Box::new(CelString::from(field.text()?)),
        "bytes_value" => Box::new(CelBytes::from(field.bytes()?.to_vec())),
        "type_value" => Box::new(CelType::new(field.text()?)),
        "list_value" => {
            let values: Option<Vec<_>> = field.message()?.messages("values").map(value).collect();
            Box::new(CelList::from(values?))
        }
        "map_value" => {
            let mut entries = HashMap::new();
            for entry in field.message()?.messages("entries") {
                let key = CowVal::Owned(value(entry.message("key")?)?);
                entries.insert(key.try_into().ok()?, value(entry.message("value")?)?);
            }
            Box::new(CelMap::from(entries))
        }
        "object_value" => {
            let (url, held) = field.message()?.only()?;
            let held = held.message()?;
            let part = |name: &str| match held.field(name) {
                Some(field) => int(field.word()?),
                None => Some(0),
            };
            match url.rsplit('/').next()? {
                "google.protobuf.Duration" => time("duration('0s')", part("seconds")?, part("nanos")?)?,
                "google.protobuf.Timestamp" => time("timestamp(0)", part("seconds")?, part("nanos")?)?,
                _ => return None,
            }
        }
        _ => return None,
    })
}

/// As wide as an `int64` or a `uint64`.
fn int<T: TryFrom<i128>>(word: &str) -> Option<T> {
    let (sign, digits) = word.strip_prefix('-').map_or((1, word), |digits| (-1, digits));
    let number = match digits.strip_prefix("0x") {
        Some(digits) => i128::from_str_radix(digits, 16),
        None => digits.parse(),
    };
    T::try_from(sign * number.ok()?).ok()
}

/// What lies so long after the beginning.
fn time(beginning: &str, seconds: i64, nanoseconds: i64) -> Option<Box<dyn Val>> {
    let source = format!("{beginning} + duration('{seconds}s') + duration('{nanoseconds}ns')");
    let expression = Expression::compile_value(&source, &Names::default()).ok()?;
    expression.resolve(&Scope::new(&Budget::default()), |made| Ok(kubernetes::copied(made))).ok()?
}

/// The type of a `cel.expr.Type`; `None` where there is no such type here.
pub(super) fn of(message: &Message) -> Option<Type> {
    let (kind, field) = message.only()?;
    Some(match kind {
        "dyn" => Type::Dyn,
        "null" => Type::Null,
        "type" => Type::types(of(field.message()?).unwrap_or(Type::Opaque("type"))),
        "primitive" => match field.word()? {
            "BOOL" => Type::Bool,
            "INT64" => Type::Int,
            "UINT64" => Type::Uint,
            "DOUBLE" => Type::Double,
            "STRING" => Type::String,
            "BYTES" => Type::Bytes,
            _ => return None,
        },
        "well_known" => match field.word()? {
            "DURATION" => Type::Duration,
            "TIMESTAMP" => Type::Timestamp,
            _ => return None,
        },
        "message_type" => match field.text()?.as_str() {
            "google.protobuf.Duration" => Type::Duration,
            "google.protobuf.Timestamp" => Type::Timestamp,
            _ => return None,
        },
        "list_type" => Type::list(part(field.message()?, "elem_type")?),
        "map_type" => Type::map(part(field.message()?, "key_type")?, part(field.message()?, "value_type")?),
        "abstract_type" => {
            let parts = field.message()?;
            match parts.text("name").as_str() {
                "optional_type" => Type::optional(part(parts, "parameter_types")?),
                "net.IP" if parts.field("parameter_types").is_none() => Type::Opaque("net.IP"),
                "net.CIDR" if parts.field("parameter_types").is_none() => Type::Opaque("net.CIDR"),
                _ => return None,
            }
        }
        _ => return None,
    })
}

fn part(message: &Message, name: &str) -> Option<Type> {
    of(message.message(name)?)
}

/// Whether the two are one value: equal, of the same type all the way down, or both no number.
pub(super) fn is_same(one: &dyn Val, other: &dyn Val) -> bool {
    let kind = one.get_type().kind();
    if kind != other.get_type().kind() {
        return false;
    }
    let lists = || one.as_iterable().zip(other.as_iterable());
    match kind {
        Kind::List => {
            let Some((left, right)) = lists() else { return false };
            let (mut left, mut right) = (left.iter(), right.iter());
            loop {
                match (left.next(), right.next()) {
                    (Some(left), Some(right)) if is_same(left, right) => {}
                    (None, None) => return true,
                    _ => return false,
                }
            }
        }
        Kind::Map => {
            let (Some(left), Some(right)) = (one.as_indexer(), other.as_indexer()) else { return false };
            let sizes = one.as_sizer().zip(other.as_sizer());
            let mut keys = match one.as_iterable() {
                Some(keys) if sizes.is_some_and(|(left, right)| left.size() == right.size()) => keys.iter(),
                _ => return false,
            };
            while let Some(key) = keys.next() {
                match (left.get(key), right.get(key)) {
                    (Ok(left), Ok(right)) if is_same(left.as_ref(), right.as_ref()) => {}
                    _ => return false,
                }
            }
            true
        }
        _ => {
            let is_nan = |value: &dyn Val| {
                value.downcast_ref::<CelDouble>().is_some_and(|double| double.inner().is_nan())
            };
            (is_nan(one) && is_nan(other)) || equality::equal(one, other, None)
        }
    }
}

/// The value, for a message.
pub(super) fn shown(value: &dyn Val) -> String {
    let text = |shown: &dyn std::fmt::Debug| format!("{shown:?}");
    macro_rules! scalars {
        ($($of:ty),*) => {
            $(if let Some(value) = value.downcast_ref::<$of>() {
                return text(&value.inner());
            })*
        };
    }
    scalars!(CelBool, CelInt, CelUInt, CelDouble, CelString<'_>, CelBytes<'_>);
    if let Some(optional) = value.downcast_ref::<CelOptional<'_>>() {
        return format!("optional({})", optional.option().map_or_else(String::new, shown));
    }
    let mut parts = Vec::new();
    if let Some(mut items) = value.as_iterable().map(|items| items.iter()) {
        while let Some(item) = items.next() {
            parts.push(shown(item));
        }
        return format!("[{}]", parts.join(", "));
    }
    value.get_type().name().to_owned()
}
