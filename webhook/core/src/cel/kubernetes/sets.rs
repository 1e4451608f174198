//! Lists as sets: `sets.contains(["a", "b"], ["a"])`, cel-go's sets extension.
//!
//! The calls are rewritten to ones that carry the budget: every element is compared with every other.

use cel::common::types::{CelBool, DYN_TYPE, LIST_TYPE};
use cel::common::value::{CowVal, Val};
use cel::{DeclarationError, Env, ExecutionError};

use super::super::budget::Budget;
use super::super::equality::equal;
use super::super::functions::{Args, Outcome, as_budget, bool_value, take};
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

/// Whether every element of `these` is in `those`.
fn holds_all(those: &dyn Val, these: &dyn Val, budget: &Budget) -> Result<bool, ExecutionError> {
    let mut items = elements(these)?.iter();
    while let Some(item) = items.next() {
        if !holds(those, item, budget)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn holds(list: &dyn Val, wanted: &dyn Val, budget: &Budget) -> Result<bool, ExecutionError> {
    let mut items = elements(list)?.iter();
    while let Some(item) = items.next() {
        if equal(item, wanted, Some(budget)) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn elements<'b, 'v>(
    list: &'b (dyn Val + 'v),
) -> Result<&'b (dyn cel::common::traits::Iterable + 'v), ExecutionError> {
    list.as_iterable().ok_or_else(|| error("sets", "not a list"))
}

fn contains<'b, 'v>(args: Args<'b, 'v>) -> Outcome<'b, 'v> {
    let [budget, list, sublist] = take(args)?;
    holds_all(list.as_ref(), sublist.as_ref(), as_budget(budget.as_ref())?).map(bool_value)
}

fn equivalent<'b, 'v>(args: Args<'b, 'v>) -> Outcome<'b, 'v> {
    let [budget, one, other] = take(args)?;
    let budget = as_budget(budget.as_ref())?;
    let both =
        holds_all(one.as_ref(), other.as_ref(), budget)? && holds_all(other.as_ref(), one.as_ref(), budget)?;
    Ok(bool_value(both))
}

fn intersects<'b, 'v>(args: Args<'b, 'v>) -> Outcome<'b, 'v> {
    let [budget, one, other] = take(args)?;
    let budget = as_budget(budget.as_ref())?;
    let mut items = elements(one.as_ref())?.iter();
    while let Some(item) = items.next() {
        if holds(other.as_ref(), item, budget)? {
            return Ok(CowVal::Borrowed(&CelBool::TRUE));
        }
    }
    Ok(CowVal::Borrowed(&CelBool::FALSE))
}
