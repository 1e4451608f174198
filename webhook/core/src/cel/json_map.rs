//! A JSON object as a CEL map.

use std::fmt;
use std::sync::OnceLock;

use cel::ExecutionError;
use cel::common::traits::{self, Container, Indexer, Iterable, Sizer, Zeroer};
use cel::common::types::{CelBool, CelDouble, CelInt, CelString, CelUInt, MAP_TYPE, Type};
use cel::common::value::{CowVal, Val};
use serde_json::{Map, Value};

use super::equality::equal;
use super::json_value::JsonValue;

/// An object that is borrowed: a field becomes a CEL value when it is named.
pub(super) struct JsonMap<'v> {
    entries: &'v Map<String, Value>,
    /// The interpreter iterates by reference, so what it is lent must stay somewhere.
    lent_keys: OnceLock<Box<[CelString<'v>]>>,
}

impl<'v> JsonMap<'v> {
    pub(super) fn new(entries: &'v Map<String, Value>) -> Self {
        Self { entries, lent_keys: OnceLock::new() }
    }

    fn lent_keys(&self) -> &[CelString<'v>] {
        self.lent_keys.get_or_init(|| self.entries.keys().map(|key| CelString::from(key.as_str())).collect())
    }

    fn find(&self, key: &dyn Val) -> Result<&'v Value, ExecutionError> {
        match key.downcast_ref::<CelString<'_>>() {
            Some(name) => {
                self.entries.get(name.inner()).ok_or_else(|| ExecutionError::no_such_key(name.inner()))
            }
            None => Err(missing(key)),
        }
    }
}

/// Why a key that is no string finds nothing: other kinds of keys are merely absent, anything else is no key.
fn missing(key: &dyn Val) -> ExecutionError {
    let written = if let Some(int) = key.downcast_ref::<CelInt>() {
        int.inner().to_string()
    } else if let Some(uint) = key.downcast_ref::<CelUInt>() {
        uint.inner().to_string()
    } else if let Some(double) = key.downcast_ref::<CelDouble>() {
        double.inner().to_string()
    } else if let Some(bool) = key.downcast_ref::<CelBool>() {
        bool.inner().to_string()
    } else {
        return ExecutionError::UnexpectedType {
            got: key.get_type().name().to_owned(),
            want: "map key".to_owned(),
        };
    };
    ExecutionError::no_such_key(&written)
}

/// What was lent is not copied.
impl Clone for JsonMap<'_> {
    fn clone(&self) -> Self {
        Self::new(self.entries)
    }
}

impl fmt::Debug for JsonMap<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JsonMap({} entries)", self.entries.len())
    }
}

impl Val for JsonMap<'_> {
    fn get_type(&self) -> &Type {
        Self::cel_type()
    }

    fn cel_type() -> &'static Type {
        &MAP_TYPE
    }

    fn as_container(&self) -> Option<&dyn Container> {
        Some(self)
    }

    fn as_indexer<'b, 'w>(&'b self) -> Option<&'b (dyn Indexer + 'w)>
    where
        Self: 'w,
    {
        Some(self)
    }

    fn as_iterable<'b, 'w>(&'b self) -> Option<&'b (dyn Iterable + 'w)>
    where
        Self: 'w,
    {
        Some(self)
    }

    fn as_sizer(&self) -> Option<&dyn Sizer> {
        Some(self)
    }

    fn as_zeroer(&self) -> Option<&dyn Zeroer> {
        Some(self)
    }

    fn equals(&self, other: &dyn Val) -> bool {
        equal(self, other, None)
    }

    fn clone_as_boxed<'w>(&self) -> Box<dyn Val + 'w>
    where
        Self: 'w,
    {
        Box::new(self.clone())
    }
}

impl Container for JsonMap<'_> {
    fn contains(&self, key: &dyn Val) -> Result<bool, ExecutionError> {
        match self.find(key) {
            Ok(_) => Ok(true),
            Err(ExecutionError::NoSuchKey(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Indexer for JsonMap<'_> {
    fn get<'b, 'w>(&'b self, key: &dyn Val) -> Result<CowVal<'b, 'w>, ExecutionError>
    where
        Self: 'w,
    {
        self.find(key).map(|value| JsonValue::from(value).into_cow())
    }

    fn steal<'w>(self: Box<Self>, key: &dyn Val) -> Result<Box<dyn Val + 'w>, ExecutionError>
    where
        Self: 'w,
    {
        self.find(key).map(|value| JsonValue::from(value).into_cow().into_owned())
    }
}

impl Iterable for JsonMap<'_> {
    fn iter<'b, 'w>(&'b self) -> Box<dyn traits::Iterator<'b, 'w> + 'b>
    where
        Self: 'w,
    {
        Box::new(Keys(self.lent_keys().iter()))
    }
}

struct Keys<'b, 'v>(std::slice::Iter<'b, CelString<'v>>);

impl<'b, 'v: 'w, 'w> traits::Iterator<'b, 'w> for Keys<'b, 'v> {
    fn next(&mut self) -> Option<&'b (dyn Val + 'w)> {
        self.0.next().map(|key| key as &'b (dyn Val + 'w))
    }
}

impl Sizer for JsonMap<'_> {
    fn size(&self) -> CelInt {
        CelInt::from(i64::try_from(self.entries.len()).unwrap_or(i64::MAX))
    }
}

impl Zeroer for JsonMap<'_> {
    fn is_zero_value(&self) -> bool {
        self.entries.is_empty()
    }
}
