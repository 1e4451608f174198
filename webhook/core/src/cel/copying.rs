//! What copying a value takes: nothing where it borrows from the object, all that it holds where it was computed.

use cel::ExecutionError;
use cel::common::types::{CelBytes, CelList, CelMap, CelOptional, CelString};
use cel::common::value::{CowVal, Val};

use super::budget::Budget;
use super::functions::steps;
use super::kubernetes;

/// Bytes that count as one step.
const BYTES_A_STEP: usize = 64;

/// Spends what a copy of the value takes.
pub(super) fn spend_copy(value: &dyn Val, budget: &Budget) -> Result<(), ExecutionError> {
    if let Some(string) = value.downcast_ref::<CelString<'_>>() {
        return match string.as_borrowed() {
            Some(_) => Ok(()),
            None => budget.spend(steps(string.inner().len() / BYTES_A_STEP)),
        };
    }
    if let Some(bytes) = value.downcast_ref::<CelBytes<'_>>() {
        return match bytes.as_borrowed() {
            Some(_) => Ok(()),
            None => budget.spend(steps(bytes.inner().len() / BYTES_A_STEP)),
        };
    }
    if let Some(optional) = value.downcast_ref::<CelOptional<'_>>() {
        return optional.option().map_or(Ok(()), |held| spend_copy(held, budget));
    }
    if let Some(list) = value.downcast_ref::<CelList<'_>>() {
        budget.spend(steps(list.inner().len()))?;
        return list.inner().iter().try_for_each(|item| spend_copy(item.as_ref(), budget));
    }
    if let Some(map) = value.downcast_ref::<CelMap<'_>>() {
        return map.inner().iter().try_for_each(|(key, held)| {
            budget.spend(2)?;
            spend_copy(key.inner(), budget)?;
            spend_copy(held.as_ref(), budget)
        });
    }
    budget.spend(steps(kubernetes::size(value) / BYTES_A_STEP))
}

/// A copy of the value, once what it takes is spent.
pub(super) fn copy<'v>(value: &(dyn Val + 'v), budget: &Budget) -> Result<Box<dyn Val + 'v>, ExecutionError> {
    spend_copy(value, budget)?;
    Ok(value.clone_as_boxed())
}

/// The value itself if it was made for whoever asks, else a copy.
pub(super) fn own<'v>(value: CowVal<'_, 'v>, budget: &Budget) -> Result<Box<dyn Val + 'v>, ExecutionError> {
    if let CowVal::Borrowed(lent) = &value {
        spend_copy(*lent, budget)?;
    }
    Ok(value.into_owned())
}
