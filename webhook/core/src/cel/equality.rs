//! Equality of CEL values, whoever holds them.
//!
//! The interpreter's own lists and maps equal only their own kind, so `["a"] == object.spec.x` would be false. Here a
//! list is compared by its elements and a map by its entries, wherever they are kept.

use cel::common::types::{CelOptional, CelString, Kind};
use cel::common::value::Val;

use super::budget::Budget;

/// Whether two values are equal, as CEL's `==` defines it. Spends what it looks at; when nothing is left it stops at
/// once, and the answer means nothing: the evaluation then fails as a whole.
pub(super) fn equal(left: &dyn Val, right: &dyn Val, budget: Option<&Budget>) -> bool {
    if budget.is_some_and(|budget| budget.spend(cost(left)).is_err()) {
        return false;
    }
    match (left.get_type().kind(), right.get_type().kind()) {
        (Kind::List, Kind::List) => equal_lists(left, right, budget).unwrap_or(false),
        (Kind::Map, Kind::Map) => equal_maps(left, right, budget).unwrap_or(false),
        (Kind::Opaque, Kind::Opaque) => {
            match (left.downcast_ref::<CelOptional<'_>>(), right.downcast_ref::<CelOptional<'_>>()) {
                (Some(left), Some(right)) => match (left.option(), right.option()) {
                    (Some(left), Some(right)) => equal(left, right, budget),
                    (None, None) => true,
                    _ => false,
                },
                _ => left.equals(right),
            }
        }
        // Lists and maps ask here again.
        (Kind::List | Kind::Map, _) | (_, Kind::List | Kind::Map) => false,
        _ => left.equals(right),
    }
}

fn cost(value: &dyn Val) -> u64 {
    let bytes = value.downcast_ref::<CelString<'_>>().map_or(0, |string| string.inner().len());
    2 + u64::try_from(bytes / 64).unwrap_or(u64::MAX)
}

/// Elements and keys are lent before they are compared, however soon two of them differ. `None` when nothing is left.
fn spend_lending(value: &dyn Val, budget: Option<&Budget>) -> Option<()> {
    let Some(budget) = budget else { return Some(()) };
    let count = u64::try_from(*value.as_sizer()?.size().inner()).unwrap_or(u64::MAX);
    budget.spend(count / 2).ok()
}

/// `None` when one of the two does not say what it holds.
fn equal_lists(left: &dyn Val, right: &dyn Val, budget: Option<&Budget>) -> Option<bool> {
    if left.as_sizer()?.size() != right.as_sizer()?.size() {
        return Some(false);
    }
    spend_lending(left, budget)?;
    let (mut left, mut right) = (left.as_iterable()?.iter(), right.as_iterable()?.iter());
    while let Some(left) = left.next() {
        if !right.next().is_some_and(|right| equal(left, right, budget)) {
            return Some(false);
        }
    }
    Some(right.next().is_none())
}

/// `None` when one of the two does not say what it holds.
fn equal_maps(left: &dyn Val, right: &dyn Val, budget: Option<&Budget>) -> Option<bool> {
    if left.as_sizer()?.size() != right.as_sizer()?.size() {
        return Some(false);
    }
    spend_lending(left, budget)?;
    let (mut keys, left, right) = (left.as_iterable()?.iter(), left.as_indexer()?, right.as_indexer()?);
    while let Some(key) = keys.next() {
        match (left.get(key), right.get(key)) {
            (Ok(left), Ok(right)) if equal(left.as_ref(), right.as_ref(), budget) => {}
            _ => return Some(false),
        }
    }
    Some(true)
}
