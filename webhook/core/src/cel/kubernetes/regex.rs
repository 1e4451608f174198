//! Patterns: `matches`, and Kubernetes' `find` and `findAll`.

use cel::common::types::{CelInt, CelList, CelString, DYN_TYPE, INT_TYPE, STRING_TYPE};
use cel::common::value::{CowVal, Val};
use cel::{DeclarationError, Env, ExecutionError};

use super::super::budget::Budget;
use super::super::functions::{Args, Outcome, as_budget, bool_value, steps, text};
use super::super::library::Function;
use super::error;
use super::re2::{Pattern, Size};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::counting("find", &["string.(string) string"]),
    Function::counting("findAll", &["string.(string) list(string)", "string.(string, int) list(string)"]),
    Function::counting("matches", &["(string, string) bool", "string.(string) bool"]),
];

pub(super) fn declare(env: &mut Env) -> Result<(), DeclarationError> {
    let types = || vec![DYN_TYPE, STRING_TYPE, STRING_TYPE];
    let with_limit = vec![DYN_TYPE, STRING_TYPE, STRING_TYPE, INT_TYPE];
    env.add_overload("@matches", "@matches_string", types(), matches)?;
    env.add_overload("@find", "@find_string", types(), find)?;
    env.add_overload("@findAll", "@find_all_string", types(), find_all)?;
    env.add_overload("@findAll", "@find_all_string_int", with_limit, find_all)
}

/// What compiling takes, about 60 microseconds for a small pattern.
const SMALL_PATTERN: u64 = 600;
/// About two milliseconds for a large one.
const LARGE_PATTERN: u64 = 20_000;

/// The string and the compiled pattern, once what compiling and matching take is spent.
fn prepared<'s>(
    function: &str,
    args: &'s Args<'_, '_>,
) -> Result<(&'s str, Pattern, &'s Budget), ExecutionError> {
    let [budget, within, pattern, ..] = args.as_slice() else {
        return Err(error(function, "too few arguments"));
    };
    let budget = as_budget(budget.as_ref())?;
    let (Some(within), Some(pattern)) = (text(within), text(pattern)) else {
        return Err(error(function, "not a string"));
    };
    budget.spend(SMALL_PATTERN + steps(pattern.len()))?;
    let illegal = |message: String| error(function, format!("illegal regex: {message}"));
    let translated = Pattern::translate(pattern).map_err(illegal)?;
    let compiled = match Pattern::build(&translated, Size::Small) {
        Ok(compiled) => compiled,
        Err(_) => {
            budget.spend(LARGE_PATTERN)?;
            Pattern::build(&translated, Size::Large).map_err(illegal)?
        }
    };
    let bytes_a_step = if compiled.size == Size::Small { 8 } else { 1 };
    budget.spend(steps(within.len() / bytes_a_step) + 1)?;
    Ok((within, compiled, budget))
}

fn matches<'b, 'v>(args: Args<'b, 'v>) -> Outcome<'b, 'v> {
    let (within, pattern, _) = prepared("matches", &args)?;
    Ok(bool_value(pattern.regex.is_match(within)))
}

fn find<'b, 'v>(args: Args<'b, 'v>) -> Outcome<'b, 'v> {
    let (within, pattern, _) = prepared("find", &args)?;
    let found = pattern.regex.find(within).map_or("", |found| found.as_str());
    Ok(CowVal::owned(CelString::from(found.to_owned())))
}

fn find_all<'b, 'v>(args: Args<'b, 'v>) -> Outcome<'b, 'v> {
    let (within, pattern, budget) = prepared("findAll", &args)?;
    let limit = args.get(3).and_then(|limit| limit.downcast_ref::<CelInt>()).map_or(-1, |int| *int.inner());
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut found: Vec<Box<dyn Val + 'v>> = Vec::new();
    for part in pattern.regex.find_iter(within).take(limit) {
        budget.spend(4 + steps(part.len() / 8))?;
        found.push(Box::new(CelString::from(part.as_str().to_owned())));
    }
    Ok(CowVal::owned(CelList::from(found)))
}
