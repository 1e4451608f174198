//! A JSON array as a CEL list.

use std::fmt;
use std::sync::OnceLock;

use cel::ExecutionError;
use cel::common::traits::{self, Adder, Container, Indexer, Iterable, Sizer, Zeroer};
use cel::common::types::{CelDouble, CelInt, CelList, CelUInt, LIST_TYPE, Type};
use cel::common::value::{CowVal, Val};
use serde_json::Value;

use super::equality::equal;
use super::json_value::JsonValue;

/// An array that is borrowed. Its elements become CEL values when it is iterated, one level deep.
pub(super) struct JsonList<'v> {
    items: &'v [Value],
    /// The interpreter iterates by reference, so what it is lent must stay somewhere.
    lent: OnceLock<Box<[JsonValue<'v>]>>,
}

impl<'v> JsonList<'v> {
    pub(super) fn new(items: &'v [Value]) -> Self {
        Self { items, lent: OnceLock::new() }
    }

    fn lent(&self) -> &[JsonValue<'v>] {
        self.lent.get_or_init(|| self.items.iter().map(JsonValue::from).collect())
    }
}

/// What was lent is not copied.
impl Clone for JsonList<'_> {
    fn clone(&self) -> Self {
        Self::new(self.items)
    }
}

impl fmt::Debug for JsonList<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JsonList({} elements)", self.items.len())
    }
}

impl Val for JsonList<'_> {
    fn get_type(&self) -> &Type {
        Self::cel_type()
    }

    fn cel_type() -> &'static Type {
        &LIST_TYPE
    }

    fn as_adder<'b, 'w>(&'b self) -> Option<&'b (dyn Adder + 'w)>
    where
        Self: 'w,
    {
        Some(self)
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

impl Adder for JsonList<'_> {
    fn add<'b, 'w>(&'b self, rhs: &(dyn Val + 'w)) -> Result<CowVal<'b, 'w>, ExecutionError>
    where
        Self: 'w,
    {
        let types = || ["list", rhs.get_type().name()].map(str::to_owned).to_vec();
        let mut added = match rhs.as_iterable() {
            Some(iterable) if *rhs.get_type() == LIST_TYPE => iterable.iter(),
            _ => return Err(ExecutionError::no_such_overload("_+_", types())),
        };
        let mut sum: Vec<Box<dyn Val + 'w>> =
            self.items.iter().map(|item| JsonValue::from(item).into_cow().into_owned()).collect();
        while let Some(item) = added.next() {
            sum.push(item.clone_as_boxed());
        }
        Ok(CowVal::owned(CelList::from(sum)))
    }
}

impl Container for JsonList<'_> {
    fn contains(&self, value: &dyn Val) -> Result<bool, ExecutionError> {
        Ok(self.items.iter().any(|item| JsonValue::from(item).as_val().equals(value)))
    }
}

impl Indexer for JsonList<'_> {
    fn get<'b, 'w>(&'b self, index: &dyn Val) -> Result<CowVal<'b, 'w>, ExecutionError>
    where
        Self: 'w,
    {
        let position = position(index)?;
        let item = position.and_then(|position| self.items.get(position));
        let item = item
            .ok_or_else(|| ExecutionError::IndexOutOfBounds(index.try_into().unwrap_or(cel::Value::Null)))?;
        Ok(JsonValue::from(item).into_cow())
    }

    fn steal<'w>(self: Box<Self>, index: &dyn Val) -> Result<Box<dyn Val + 'w>, ExecutionError>
    where
        Self: 'w,
    {
        let item = position(index)?.and_then(|position| self.items.get(position));
        let item = item
            .ok_or_else(|| ExecutionError::IndexOutOfBounds(index.try_into().unwrap_or(cel::Value::Null)))?;
        Ok(JsonValue::from(item).into_cow().into_owned())
    }
}

/// The position that an `int`, `uint` or whole `double` names; `None` when no list is that long.
fn position(index: &dyn Val) -> Result<Option<usize>, ExecutionError> {
    if let Some(int) = index.downcast_ref::<CelInt>() {
        Ok(usize::try_from(*int.inner()).ok())
    } else if let Some(uint) = index.downcast_ref::<CelUInt>() {
        Ok(usize::try_from(*uint.inner()).ok())
    } else {
        match index.downcast_ref::<CelDouble>().map(|double| *double.inner()) {
            // Beyond 2^53 no list is that long.
            Some(double) if double.fract() == 0.0 && double.abs() < 9_007_199_254_740_992.0 => {
                Ok(usize::try_from(double as i64).ok())
            }
            _ => Err(ExecutionError::UnexpectedType {
                got: index.get_type().name().to_owned(),
                want: "int".to_owned(),
            }),
        }
    }
}

impl Iterable for JsonList<'_> {
    fn iter<'b, 'w>(&'b self) -> Box<dyn traits::Iterator<'b, 'w> + 'b>
    where
        Self: 'w,
    {
        Box::new(Items(self.lent().iter()))
    }
}

struct Items<'b, 'v>(std::slice::Iter<'b, JsonValue<'v>>);

impl<'b, 'v: 'w, 'w> traits::Iterator<'b, 'w> for Items<'b, 'v> {
    fn next(&mut self) -> Option<&'b (dyn Val + 'w)> {
        self.0.next().map(|item| item.as_val() as &'b (dyn Val + 'w))
    }
}

impl Sizer for JsonList<'_> {
    fn size(&self) -> CelInt {
        CelInt::from(i64::try_from(self.items.len()).unwrap_or(i64::MAX))
    }
}

impl Zeroer for JsonList<'_> {
    fn is_zero_value(&self) -> bool {
        self.items.is_empty()
    }
}
