//! Lists as sets: `sets.contains(["a", "b"], ["a"])`, cel-go's sets extension.
//!
//! The calls are rewritten to ones that carry the budget: every element is compared with every other.

use cel::common::traits::Iterable;
use cel::common::types::{DYN_TYPE, LIST_TYPE};
use cel::common::value::CowVal;
use cel::{DeclarationError, Env, ExecutionError};

use super::super::budget::Budget;
use super::super::functions::{Args, Outcome, as_budget, bool_value, holds, size, take};
use super::super::library::Function;
use super::error;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::counting("sets.contains", &["(list(T), list(T)) bool"]),
    Function::counting("sets.equivalent", &["(list(T), list(T)) bool"]),
    Function::counting("sets.intersects", &["(list(T), list(T)) bool"]),
];

pub(super) fn declare(env: &mut Env) -> Result<(), DeclarationError> {
    let types = || vec![DYN_TYPE, LIST_TYPE, LIST_TYPE];
    env.add_overload("@sets.contains", "@sets_contains", types(), contains)?;
    env.add_overload("@sets.equivalent", "@sets_equivalent", types(), equivalent)?;
    env.add_overload("@sets.intersects", "@sets_intersects", types(), intersects)
}

/// Both lists, once what lending their elements takes is spent.
fn lists<'b, 'v>(
    one: &'b CowVal<'_, 'v>,
    other: &'b CowVal<'_, 'v>,
    budget: &Budget,
) -> Result<[&'b (dyn Iterable + 'v); 2], ExecutionError> {
    budget.spend(size(one.as_ref()).saturating_add(size(other.as_ref())))?;
    match (one.as_iterable(), other.as_iterable()) {
        (Some(one), Some(other)) => Ok([one, other]),
        _ => Err(error("sets", "not a list")),
    }
}

/// Whether every element of `these` is in `those`.
fn holds_all(those: &dyn Iterable, these: &dyn Iterable, budget: &Budget) -> Result<bool, ExecutionError> {
    let mut items = these.iter();
    while let Some(item) = items.next() {
        if !holds(those, item, budget)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn contains<'b, 'v>(args: Args<'b, 'v>) -> Outcome<'b, 'v> {
    let [budget, list, sublist] = take(args)?;
    let budget = as_budget(budget.as_ref())?;
    let [list, sublist] = lists(&list, &sublist, budget)?;
    holds_all(list, sublist, budget).map(bool_value)
}

fn equivalent<'b, 'v>(args: Args<'b, 'v>) -> Outcome<'b, 'v> {
    let [budget, one, other] = take(args)?;
    let budget = as_budget(budget.as_ref())?;
    let [one, other] = lists(&one, &other, budget)?;
    Ok(bool_value(holds_all(one, other, budget)? && holds_all(other, one, budget)?))
}

fn intersects<'b, 'v>(args: Args<'b, 'v>) -> Outcome<'b, 'v> {
    let [budget, one, other] = take(args)?;
    let budget = as_budget(budget.as_ref())?;
    let [one, other] = lists(&one, &other, budget)?;
    let mut items = one.iter();
    while let Some(item) = items.next() {
        if holds(other, item, budget)? {
            return Ok(bool_value(true));
        }
    }
    Ok(bool_value(false))
}
