//! The functions that a compiled expression calls without its author having written them: they count what is spent,
//! and stand in where the interpreter's own would compare wrongly or grow a result without bound.
//!
//! Their names begin with `@`, which no expression can spell.

use cel::common::traits::Iterable;
use cel::common::types::{CelBool, CelDouble, CelInt, CelOptional, CelString, DYN_TYPE, Kind};
use cel::common::value::{CowVal, Val};
use cel::{DeclarationError, Env, ExecutionError};

use super::budget::Budget;
use super::copying::spend_copy;
use super::equality::equal;
use super::kubernetes;

/// The variable that holds the budget.
pub(super) const BUDGET: &str = "@budget";
/// `(budget, weight, value)`: the value; spends its size times the weight.
pub(super) const CHARGE: &str = "@charge";
/// As [`CHARGE`], for what copies the elements: what that takes as well.
pub(super) const CHARGE_ELEMENTS: &str = "@charge_elements";
/// `(budget, weight, value)`: the value; spends what copying it takes, unless it was made for whoever asked.
pub(super) const CHARGE_COPY: &str = "@charge_copy";
/// `(budget, weight, value)`: the value; spends what it took to copy it, if it was made for whoever asked.
pub(super) const CHARGE_MADE: &str = "@charge_made";
/// As [`CHARGE`], for an index into what was computed.
pub(super) const CHARGE_INDEX: &str = "@charge_index";
/// `(budget, weight, value)`: the value; spends the weight.
pub(super) const TICK: &str = "@tick";
/// As [`CHARGE`], but lists within lists count in full.
pub(super) const CHARGE_DEEP: &str = "@charge_deep";
/// As [`CHARGE_DEEP`], times the length: for what compares all elements with each other.
pub(super) const CHARGE_PAIRS: &str = "@charge_pairs";
/// `(value, field)`: `has(value.field)`.
pub(super) const HAS: &str = "@has";
/// `(budget, left, right)`: `left == right`.
pub(super) const EQUALS: &str = "@equals";
/// `(budget, left, right)`: `left != right`.
pub(super) const DIFFERS: &str = "@differs";
/// `(budget, value, container)`: `value in container`.
pub(super) const CONTAINED: &str = "@contained";
/// Bytes of a string that count as one step.
const BYTES_A_STEP: usize = 16;

/// Declares the functions.
pub(super) fn declare(env: &mut Env) -> Result<(), DeclarationError> {
    let dynamic = |arity: usize| std::iter::repeat_with(|| DYN_TYPE).take(arity).collect::<Vec<_>>();
    env.add_overload(CHARGE, "@charge", dynamic(3), charge)?;
    env.add_overload(CHARGE_ELEMENTS, "@charge_elements", dynamic(3), charge_elements)?;
    env.add_overload(CHARGE_COPY, "@charge_copy", dynamic(3), charge_copy)?;
    env.add_overload(CHARGE_INDEX, "@charge_index", dynamic(3), charge_index)?;
    env.add_overload(TICK, "@tick", dynamic(3), tick)?;
    env.add_overload(CHARGE_MADE, "@charge_made", dynamic(3), charge_made)?;
    env.add_overload(CHARGE_DEEP, "@charge_deep", dynamic(3), charge_deep)?;
    env.add_overload(CHARGE_PAIRS, "@charge_pairs", dynamic(3), charge_pairs)?;
    env.add_overload(HAS, "@has", dynamic(2), has)?;
    env.add_overload(EQUALS, "@equals", dynamic(3), equals)?;
    env.add_overload(DIFFERS, "@differs", dynamic(3), differs)?;
    env.add_overload(CONTAINED, "@contained", dynamic(3), contained)?;
    env.add_overload("@replace", "@replace_all", dynamic(4), replace)?;
    env.add_overload("@replace", "@replace_some", dynamic(5), replace)?;
    env.add_overload("@join", "@join_plain", dynamic(2), join)?;
    env.add_overload("@join", "@join_separated", dynamic(3), join)
}

pub(super) type Args<'b, 'v> = Vec<CowVal<'b, 'v>>;
pub(super) type Outcome<'b, 'v> = Result<CowVal<'b, 'v>, ExecutionError>;

pub(super) fn steps(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

pub(super) fn bool_value<'b, 'v>(value: bool) -> CowVal<'b, 'v> {
    CowVal::Borrowed(if value { &CelBool::TRUE } else { &CelBool::FALSE })
}

pub(super) fn as_budget(value: &dyn Val) -> Result<&Budget, ExecutionError> {
    value.downcast_ref().ok_or_else(|| ExecutionError::InternalError("no budget".to_owned()))
}

/// The arguments by position: an overload is only ever called with as many as it was declared for.
pub(super) fn take<'b, 'v, const N: usize>(
    args: Args<'b, 'v>,
) -> Result<[CowVal<'b, 'v>; N], ExecutionError> {
    args.try_into().map_err(|args: Args<'_, '_>| ExecutionError::invalid_argument_count(N, args.len()))
}

fn charge<'b, 'v>(args: Args<'b, 'v>) -> Outcome<'b, 'v> {
    charged(args, |value| Ok(size(value)))
}

fn charge_elements<'b, 'v>(args: Args<'b, 'v>) -> Outcome<'b, 'v> {
    if let [budget, _, value] = args.as_slice() {
        spend_copy(value.as_ref(), as_budget(budget.as_ref())?)?;
    }
    charge(args)
}

fn charge_copy<'b, 'v>(args: Args<'b, 'v>) -> Outcome<'b, 'v> {
    let [budget, _, value] = take(args)?;
    if let CowVal::Borrowed(lent) = &value {
        spend_copy(*lent, as_budget(budget.as_ref())?)?;
    }
    Ok(value)
}

fn charge_made<'b, 'v>(args: Args<'b, 'v>) -> Outcome<'b, 'v> {
    let [budget, _, value] = take(args)?;
    if let CowVal::Owned(made) = &value {
        spend_copy(made.as_ref(), as_budget(budget.as_ref())?)?;
    }
    Ok(value)
}

/// An index that is no whole number finds nothing, and the interpreter copies the list into its error.
fn charge_index<'b, 'v>(args: Args<'b, 'v>) -> Outcome<'b, 'v> {
    const COPY_OF_A_LIST: u64 = 20_000;
    charged(args, |key| {
        let is_fraction = key.downcast_ref::<CelDouble>().is_some_and(|double| double.inner().fract() != 0.0);
        Ok(if is_fraction { COPY_OF_A_LIST } else { size(key) })
    })
}

fn tick<'b, 'v>(args: Args<'b, 'v>) -> Outcome<'b, 'v> {
    charged(args, |_| Ok(1))
}

fn charge_deep<'b, 'v>(args: Args<'b, 'v>) -> Outcome<'b, 'v> {
    let budget = args.first().cloned();
    charged(args, |value| deep_size(value, &budget))
}

fn charge_pairs<'b, 'v>(args: Args<'b, 'v>) -> Outcome<'b, 'v> {
    let budget = args.first().cloned();
    charged(args, |value| Ok(deep_size(value, &budget)?.saturating_mul(size(value))))
}

fn charged<'b, 'v>(
    args: Args<'b, 'v>,
    size: impl FnOnce(&dyn Val) -> Result<u64, ExecutionError>,
) -> Outcome<'b, 'v> {
    let [budget, weight, value] = take(args)?;
    let weight =
        weight.downcast_ref::<CelInt>().map_or(1, |weight| u64::try_from(*weight.inner()).unwrap_or(1));
    as_budget(budget.as_ref())?.spend(size(value.as_ref())?.saturating_mul(weight))?;
    Ok(value)
}

/// Elements of a list, entries of a map, [`BYTES_A_STEP`] of a string; one for everything else.
pub(super) fn size(value: &dyn Val) -> u64 {
    match value.get_type().kind() {
        Kind::String => {
            steps(
                value.downcast_ref::<CelString<'_>>().map_or(0, |string| string.inner().len()) / BYTES_A_STEP,
            ) + 1
        }
        Kind::List | Kind::Map => {
            value.as_sizer().map_or(1, |sizer| u64::try_from(*sizer.size().inner()).unwrap_or(u64::MAX))
        }
        _ => steps(kubernetes::size(value) / BYTES_A_STEP) + 1,
    }
}

/// As [`size`], with what lists and maps hold and the bytes of their strings. Counting spends as well, so that it
/// ends.
fn deep_size(value: &dyn Val, budget: &Option<CowVal<'_, '_>>) -> Result<u64, ExecutionError> {
    let kind = value.get_type().kind();
    let iterable = if matches!(kind, Kind::List | Kind::Map) { value.as_iterable() } else { None };
    let Some(iterable) = iterable else { return Ok(size(value)) };
    if let Some(budget) = budget {
        as_budget(budget.as_ref())?.spend(size(value))?;
    }
    let values = if kind == Kind::Map { value.as_indexer() } else { None };
    let (mut total, mut items) = (0_u64, iterable.iter());
    while let Some(item) = items.next() {
        total = total.saturating_add(deep_size(item, budget)?).saturating_add(1);
        if let Some(values) = values {
            total = total.saturating_add(deep_size(values.get(item)?.as_ref(), budget)?);
        }
    }
    Ok(total)
}

/// What is no map has no fields.
fn has<'b, 'v>(args: Args<'b, 'v>) -> Outcome<'b, 'v> {
    let [value, field] = take(args)?;
    let held = match value.downcast_ref::<CelOptional<'_>>() {
        Some(optional) => optional.option(),
        None => Some(value.as_ref()),
    };
    match held.and_then(|held| held.as_indexer()).map(|fields| fields.get(field.as_ref())) {
        None | Some(Err(ExecutionError::NoSuchKey(_) | ExecutionError::UnexpectedType { .. })) => {
            Ok(bool_value(false))
        }
        Some(Ok(_)) => Ok(bool_value(true)),
        Some(Err(error)) => Err(error),
    }
}

fn equals<'b, 'v>(args: Args<'b, 'v>) -> Outcome<'b, 'v> {
    let [budget, left, right] = take(args)?;
    // As in Kubernetes, the values of its own libraries compare with their own kind only.
    let (kind, other) = (left.get_type().kind(), right.get_type().kind());
    if kind == Kind::Unspecified && left.get_type() != right.get_type() && other != Kind::NullType {
        return Err(no_overload("==", &[left.as_ref(), right.as_ref()]));
    }
    Ok(bool_value(equal(left.as_ref(), right.as_ref(), Some(as_budget(budget.as_ref())?))))
}

fn differs<'b, 'v>(args: Args<'b, 'v>) -> Outcome<'b, 'v> {
    let [budget, left, right] = take(args)?;
    Ok(bool_value(!equal(left.as_ref(), right.as_ref(), Some(as_budget(budget.as_ref())?))))
}

fn contained<'b, 'v>(args: Args<'b, 'v>) -> Outcome<'b, 'v> {
    let [budget, value, container] = take(args)?;
    let budget = as_budget(budget.as_ref())?;
    // Elements are lent before they are compared, however soon one is found.
    budget.spend(size(container.as_ref()) / 2 + 1)?;
    if container.get_type().kind() == Kind::List
        && matches!(value.get_type().kind(), Kind::List | Kind::Map | Kind::Opaque)
        && let Some(iterable) = container.as_iterable()
    {
        return holds(iterable, value.as_ref(), budget).map(bool_value);
    }
    if container.get_type().kind() == Kind::List {
        budget.spend(size(container.as_ref()).saturating_mul(size(value.as_ref())))?;
    } else if matches!(value.get_type().kind(), Kind::List | Kind::Map) {
        return Err(no_overload("@in", &[value.as_ref(), container.as_ref()]));
    } else {
        budget.spend(size(value.as_ref()))?;
    }
    container
        .as_container()
        .ok_or_else(|| no_overload("@in", &[value.as_ref(), container.as_ref()]))?
        .contains(value.as_ref())
        .map(bool_value)
        .map_err(|_| no_overload("@in", &[value.as_ref(), container.as_ref()]))
}

/// Whether one of the elements equals the value. Ends when nothing is left.
pub(super) fn holds(list: &dyn Iterable, wanted: &dyn Val, budget: &Budget) -> Result<bool, ExecutionError> {
    let mut items = list.iter();
    while let Some(item) = items.next() {
        if equal(item, wanted, Some(budget)) {
            return Ok(true);
        }
        budget.check()?;
    }
    Ok(false)
}

/// What replacing may write is spent before it is written.
#[expect(clippy::needless_pass_by_value, reason = "the signature of an overload")]
fn replace<'b, 'v>(args: Args<'b, 'v>) -> Outcome<'b, 'v> {
    let failure = |args: &Args<'_, '_>| {
        let values: Vec<&dyn Val> = args.iter().skip(1).map(AsRef::as_ref).collect();
        no_overload("replace", &values)
    };
    let (Some(budget), Some(string), Some(old), Some(new)) =
        (args.first(), args.get(1), args.get(2), args.get(3))
    else {
        return Err(failure(&args));
    };
    let (Some(string), Some(old), Some(new)) = (text(string), text(old), text(new)) else {
        return Err(failure(&args));
    };
    let limit = match args.get(4) {
        None => usize::MAX,
        // A negative limit is none.
        Some(limit) => {
            let limit = limit.downcast_ref::<CelInt>().ok_or_else(|| failure(&args))?;
            usize::try_from(*limit.inner()).unwrap_or(usize::MAX)
        }
    };
    let budget = as_budget(budget.as_ref())?;
    budget.spend(steps(string.len() / BYTES_A_STEP) + 1)?;
    let replaced = string.matches(old).count().min(limit);
    budget.spend(steps(replaced.saturating_mul(new.len() / BYTES_A_STEP + 1)))?;
    Ok(CowVal::owned(CelString::from(string.replacen(old, new, limit))))
}

/// What joining may write is spent before it is written.
#[expect(clippy::needless_pass_by_value, reason = "the signature of an overload")]
fn join<'b, 'v>(args: Args<'b, 'v>) -> Outcome<'b, 'v> {
    let failure = || {
        let values: Vec<&dyn Val> = args.iter().skip(1).map(AsRef::as_ref).collect();
        no_overload("join", &values)
    };
    let (Some(budget), Some(list)) = (args.first(), args.get(1)) else { return Err(failure()) };
    let separator = match args.get(2) {
        None => "",
        Some(separator) => text(separator).ok_or_else(failure)?,
    };
    let budget = as_budget(budget.as_ref())?;
    let iterable = if list.get_type().kind() == Kind::List { list.as_iterable() } else { None };
    budget.spend(size(list.as_ref()))?;
    let mut items = iterable.ok_or_else(failure)?.iter();
    let mut joined = String::new();
    let mut first = true;
    while let Some(item) = items.next() {
        let item = item.downcast_ref::<CelString<'_>>().ok_or_else(failure)?.inner();
        budget.spend(steps((item.len() + separator.len()) / BYTES_A_STEP) + 1)?;
        if !std::mem::take(&mut first) {
            joined.push_str(separator);
        }
        joined.push_str(item);
    }
    Ok(CowVal::owned(CelString::from(joined)))
}

pub(super) fn text<'s>(value: &'s CowVal<'_, '_>) -> Option<&'s str> {
    value.downcast_ref::<CelString<'_>>().map(CelString::inner)
}

pub(super) fn no_overload(function: &str, args: &[&dyn Val]) -> ExecutionError {
    let types = args.iter().map(|value| value.get_type().name().to_owned()).collect();
    ExecutionError::no_such_overload(function, types)
}
