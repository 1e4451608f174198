//! Lists: Kubernetes' `isSorted`, `sum`, `min`, `max` and `indexOf`, and those of optionals.

use std::cmp::Ordering;

use cel::common::traits::Iterable;
use cel::common::types::{CelInt, CelList, CelOptional, DYN_TYPE, INT_TYPE, Kind, LIST_TYPE};
use cel::common::value::{CowVal, Val};
use cel::{DeclarationError, Env, ExecutionError};

use super::super::copying::copy;
use super::super::functions::{Args, Outcome, as_budget, bool_value, no_overload, size, take};
use super::super::library::{Cost, Function};
use super::error;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::counting("first", &["list(T).() optional(T)"]),
    Function::new("isSorted", Some(Cost::Deep(1)), &["list(@comparable).() bool"]),
    Function::counting("last", &["list(T).() optional(T)"]),
    Function::counting("lists.range", &["(int) list(int)"]),
    Function::new("max", Some(Cost::Deep(1)), &["list(@comparable).() @comparable"]),
    Function::new("min", Some(Cost::Deep(1)), &["list(@comparable).() @comparable"]),
    Function::counting("optional.unwrap", &["(list(optional(T))) list(T)"]),
    Function::counting("reverse", &["list(T).() list(T)"]),
    Function::new("sum", Some(Cost::Deep(1)), &["list(@summable).() @summable"]),
    Function::counting("unwrapOpt", &["list(optional(T)).() list(T)"]),
];

pub(super) fn declare(env: &mut Env) -> Result<(), DeclarationError> {
    env.add_member_overload("isSorted", "list_is_sorted", LIST_TYPE, vec![], is_sorted)?;
    env.add_member_overload("sum", "list_sum", LIST_TYPE, vec![], sum)?;
    env.add_member_overload("min", "list_min", LIST_TYPE, vec![], min)?;
    env.add_member_overload("max", "list_max", LIST_TYPE, vec![], max)?;
    let counted = || vec![DYN_TYPE, LIST_TYPE];
    env.add_overload("@first", "@list_first", counted(), first)?;
    env.add_overload("@last", "@list_last", counted(), last)?;
    env.add_overload("@unwrapOpt", "@list_unwrap_opt", counted(), unwrap)?;
    env.add_overload("@optional.unwrap", "@optional_unwrap", counted(), unwrap)?;
    env.add_overload("@lists.range", "@lists_range", vec![DYN_TYPE, INT_TYPE], range)?;
    env.add_overload("@reverse", "@list_reverse", counted(), reverse)
}

fn elements<'b, 'v>(list: &'b CowVal<'b, 'v>) -> Result<&'b (dyn Iterable + 'v), ExecutionError> {
    list.as_iterable().ok_or_else(|| error("list", "not a list"))
}

/// That the list is empty or its first element of a kind that the function takes; the interpreter of Kubernetes looks
/// at no other.
fn check_first(function: &str, list: &CowVal<'_, '_>, kinds: &[Kind]) -> Result<(), ExecutionError> {
    match elements(list)?.iter().next() {
        Some(first) if !kinds.contains(&first.get_type().kind()) => {
            Err(no_overload(function, &[list.as_ref()]))
        }
        _ => Ok(()),
    }
}

const SUMMABLE: [Kind; 4] = [Kind::Int, Kind::UInt, Kind::Double, Kind::Duration];
const COMPARABLE: [Kind; 8] = [
    Kind::Int,
    Kind::UInt,
    Kind::Double,
    Kind::Boolean,
    Kind::Duration,
    Kind::Timestamp,
    Kind::String,
    Kind::Bytes,
];

/// The order of two values; `None` where they don't compare, which is passed over.
fn order(one: &dyn Val, other: &dyn Val) -> Result<Option<Ordering>, ExecutionError> {
    if other.as_comparer().is_none() {
        return Err(no_overload("compare", &[one, other]));
    }
    let comparer = one.as_comparer().ok_or_else(|| no_overload("compare", &[one, other]))?;
    Ok(comparer.compare(other).ok())
}

fn is_sorted<'b, 'v>(args: Args<'b, 'v>) -> Outcome<'b, 'v> {
    let [list] = take(args)?;
    check_first("isSorted", &list, &COMPARABLE)?;
    let mut items = elements(&list)?.iter();
    let mut previous: Option<&dyn Val> = None;
    while let Some(item) = items.next() {
        if let Some(previous) = previous
            && order(previous, item)? == Some(Ordering::Greater)
        {
            return Ok(bool_value(false));
        }
        previous = Some(item);
    }
    Ok(bool_value(true))
}

fn min<'b, 'v>(args: Args<'b, 'v>) -> Outcome<'b, 'v> {
    extreme("min", args, Ordering::Greater)
}

fn max<'b, 'v>(args: Args<'b, 'v>) -> Outcome<'b, 'v> {
    extreme("max", args, Ordering::Less)
}

/// The element to which every later one compares otherwise than `replaced`.
fn extreme<'b, 'v>(function: &str, args: Args<'b, 'v>, replaced: Ordering) -> Outcome<'b, 'v> {
    let [list] = take(args)?;
    check_first(function, &list, &COMPARABLE)?;
    let mut items = elements(&list)?.iter();
    let mut found: Option<&(dyn Val + 'v)> = None;
    while let Some(item) = items.next() {
        match found {
            Some(best) if order(best, item)? != Some(replaced) => {}
            _ => found = Some(item),
        }
    }
    let found = found.ok_or_else(|| error(function, format!("{function} called on empty list")))?;
    Ok(CowVal::Owned(found.clone_as_boxed()))
}

fn sum<'b, 'v>(args: Args<'b, 'v>) -> Outcome<'b, 'v> {
    let [list] = take(args)?;
    check_first("sum", &list, &SUMMABLE)?;
    let mut items = elements(&list)?.iter();
    let mut total: Option<Box<dyn Val + 'v>> = None;
    while let Some(item) = items.next() {
        let sum = match &total {
            None => item.clone_as_boxed(),
            Some(total) => {
                let adder = total.as_adder().ok_or_else(|| no_overload("sum", &[total.as_ref(), item]))?;
                adder.add(item)?.into_owned()
            }
        };
        total = Some(sum);
    }
    Ok(CowVal::Owned(total.unwrap_or_else(|| Box::new(CelInt::from(0)))))
}

fn first<'b, 'v>(args: Args<'b, 'v>) -> Outcome<'b, 'v> {
    let [budget, list] = take(args)?;
    let budget = as_budget(budget.as_ref())?;
    budget.spend(size(list.as_ref()))?;
    let first = elements(&list)?.iter().next().map(|item| copy(item, budget)).transpose()?;
    Ok(CowVal::owned(CelOptional::from(first)))
}

fn last<'b, 'v>(args: Args<'b, 'v>) -> Outcome<'b, 'v> {
    let [budget, list] = take(args)?;
    let budget = as_budget(budget.as_ref())?;
    budget.spend(size(list.as_ref()))?;
    let mut items = elements(&list)?.iter();
    let mut last = None;
    while let Some(item) = items.next() {
        last = Some(item);
    }
    Ok(CowVal::owned(CelOptional::from(last.map(|item| copy(item, budget)).transpose()?)))
}

/// What the optionals hold; those that hold nothing are left out.
fn unwrap<'b, 'v>(args: Args<'b, 'v>) -> Outcome<'b, 'v> {
    let [budget, list] = take(args)?;
    let budget = as_budget(budget.as_ref())?;
    budget.spend(size(list.as_ref()))?;
    let mut items = elements(&list)?.iter();
    let mut unwrapped = Vec::new();
    while let Some(item) = items.next() {
        let optional =
            item.downcast_ref::<CelOptional<'_>>().ok_or_else(|| no_overload("unwrap", &[item]))?;
        if let Some(held) = optional.option() {
            unwrapped.push(copy(held, budget)?);
        }
    }
    Ok(CowVal::owned(CelList::from(unwrapped)))
}

/// The ints from zero; none if the number is negative.
fn range<'b, 'v>(args: Args<'b, 'v>) -> Outcome<'b, 'v> {
    let [budget, count] = take(args)?;
    let count = count.downcast_ref::<CelInt>().map_or(0, |count| (*count.inner()).max(0));
    as_budget(budget.as_ref())?.spend(u64::try_from(count).unwrap_or(u64::MAX))?;
    let list: Vec<Box<dyn Val>> =
        (0..count).map(|at| -> Box<dyn Val> { Box::new(CelInt::from(at)) }).collect();
    Ok(CowVal::owned(CelList::from(list)))
}

fn reverse<'b, 'v>(args: Args<'b, 'v>) -> Outcome<'b, 'v> {
    let [budget, list] = take(args)?;
    let budget = as_budget(budget.as_ref())?;
    budget.spend(size(list.as_ref()))?;
    let mut items = elements(&list)?.iter();
    let mut reversed = Vec::new();
    while let Some(item) = items.next() {
        reversed.push(copy(item, budget)?);
    }
    reversed.reverse();
    Ok(CowVal::owned(CelList::from(reversed)))
}
