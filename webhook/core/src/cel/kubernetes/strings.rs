//! Strings, where cel-go's extension differs from the interpreter's: `indexOf`, `lastIndexOf` and `format`.

use cel::common::types::{
    CelBytes, CelDouble, CelInt, CelString, DYN_TYPE, INT_TYPE, Kind, LIST_TYPE, STRING_TYPE,
};
use cel::common::value::{CowVal, Val};
use cel::{DeclarationError, Env, ExecutionError};

use super::super::budget::Budget;
use super::super::equality::equal;
use super::super::functions::{Args, Outcome, as_budget, no_overload, size, steps, take, text};
use super::super::library::Function;
use super::cidr::Cidr;
use super::ip::Ip;
use super::{error, format_string, go_text};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::counting("format", &["string.(list(dyn)) string"]),
    Function::counting("indexOf", &["string.(string) int", "string.(string, int) int", "list(A).(A) int"]),
    Function::counting(
        "lastIndexOf",
        &["string.(string) int", "string.(string, int) int", "list(A).(A) int"],
    ),
];

pub(super) fn declare(env: &mut Env) -> Result<(), DeclarationError> {
    let plain = || vec![DYN_TYPE, DYN_TYPE, DYN_TYPE];
    let with_offset = || vec![DYN_TYPE, STRING_TYPE, STRING_TYPE, INT_TYPE];
    env.add_overload("@indexOf", "@index_of", plain(), index_of)?;
    env.add_overload("@indexOf", "@index_of_offset", with_offset(), index_of_offset)?;
    env.add_overload("@lastIndexOf", "@last_index_of", plain(), last_index_of)?;
    env.add_overload("@lastIndexOf", "@last_index_of_offset", with_offset(), last_index_of_offset)?;
    env.add_overload("@string", "@to_string", vec![DYN_TYPE, DYN_TYPE], to_string)?;
    env.add_overload("@format", "@string_format", vec![DYN_TYPE, STRING_TYPE, LIST_TYPE], format)
}

fn int<'b, 'v>(value: i64) -> CowVal<'b, 'v> {
    CowVal::owned(CelInt::from(value))
}

fn index<'b, 'v>(position: Option<usize>) -> CowVal<'b, 'v> {
    int(position.and_then(|position| i64::try_from(position).ok()).unwrap_or(-1))
}

/// Spends what looking for one string within another takes: both are gone through once.
fn spend_search(one: &str, other: &str, budget: &Budget) -> Result<(), ExecutionError> {
    budget.spend(steps((one.len() + other.len()) / 16) + 1)
}

/// Where the character of that number begins; the end where there are fewer.
fn offset_of(text: &str, character: usize) -> usize {
    text.char_indices().nth(character).map_or(text.len(), |(at, _)| at)
}

fn character_count(text: &str, up_to: usize) -> usize {
    text.get(..up_to).map_or(0, |before| before.chars().count())
}

fn strings<'s>(
    function: &str,
    one: &'s CowVal<'_, '_>,
    other: &'s CowVal<'_, '_>,
) -> Result<(&'s str, &'s str), ExecutionError> {
    text(one).zip(text(other)).ok_or_else(|| no_overload(function, &[one.as_ref(), other.as_ref()]))
}

fn index_of<'b, 'v>(args: Args<'b, 'v>) -> Outcome<'b, 'v> {
    let [budget, within, wanted] = take(args)?;
    let budget = as_budget(budget.as_ref())?;
    if within.get_type().kind() == Kind::List {
        return Ok(index(positions(within.as_ref(), wanted.as_ref(), budget, true)?));
    }
    let (within, wanted) = strings("indexOf", &within, &wanted)?;
    find(within, wanted, 0, budget)
}

fn index_of_offset<'b, 'v>(args: Args<'b, 'v>) -> Outcome<'b, 'v> {
    let [budget, within, wanted, offset] = take(args)?;
    let (within, wanted) = strings("indexOf", &within, &wanted)?;
    find(within, wanted, number(&offset)?, as_budget(budget.as_ref())?)
}

fn number(value: &CowVal<'_, '_>) -> Result<i64, ExecutionError> {
    let int = value.downcast_ref::<CelInt>().ok_or_else(|| error("int", "not an int"))?;
    Ok(*int.inner())
}

fn find<'b, 'v>(within: &str, wanted: &str, offset: i64, budget: &Budget) -> Outcome<'b, 'v> {
    if wanted.is_empty() {
        return Ok(int(offset));
    }
    let start = usize::try_from(offset).map_err(|_| out_of_range("indexOf", offset))?;
    spend_search(within, wanted, budget)?;
    let from = offset_of(within, start);
    let rest = within.get(from..).unwrap_or_default();
    Ok(index(rest.find(wanted).map(|at| character_count(rest, at) + start)))
}

fn last_index_of<'b, 'v>(args: Args<'b, 'v>) -> Outcome<'b, 'v> {
    let [budget, within, wanted] = take(args)?;
    let budget = as_budget(budget.as_ref())?;
    if within.get_type().kind() == Kind::List {
        return Ok(index(positions(within.as_ref(), wanted.as_ref(), budget, false)?));
    }
    let (within, wanted) = strings("lastIndexOf", &within, &wanted)?;
    spend_search(within, "", budget)?;
    let length = i64::try_from(within.chars().count()).unwrap_or(i64::MAX);
    if wanted.is_empty() {
        return Ok(int(length));
    }
    if within.len() < wanted.len() {
        return Ok(int(-1));
    }
    find_last(within, wanted, length - 1, budget)
}

fn last_index_of_offset<'b, 'v>(args: Args<'b, 'v>) -> Outcome<'b, 'v> {
    let [budget, within, wanted, offset] = take(args)?;
    let (within, wanted) = strings("lastIndexOf", &within, &wanted)?;
    find_last(within, wanted, number(&offset)?, as_budget(budget.as_ref())?)
}

fn find_last<'b, 'v>(within: &str, wanted: &str, offset: i64, budget: &Budget) -> Outcome<'b, 'v> {
    if wanted.is_empty() {
        return Ok(int(offset));
    }
    let last = usize::try_from(offset).map_err(|_| out_of_range("lastIndexOf", offset))?;
    spend_search(within, wanted, budget)?;
    let from = offset_of(within, last);
    let rest = within.get(from..).unwrap_or_default();
    if rest.is_empty() {
        return Ok(int(-1));
    }
    // A match begins at that character at the latest.
    let up_to = from + offset_of(rest, wanted.chars().count());
    let part = within.get(..up_to).unwrap_or_default();
    Ok(index(part.rfind(wanted).map(|at| character_count(part, at))))
}

fn out_of_range(function: &str, index: i64) -> ExecutionError {
    error(function, format!("index out of range: {index}"))
}

/// Where the list has such an element: the first place or the last.
fn positions(
    list: &dyn Val,
    wanted: &dyn Val,
    budget: &Budget,
    is_first: bool,
) -> Result<Option<usize>, ExecutionError> {
    budget.spend(size(list))?;
    let mut items = list.as_iterable().ok_or_else(|| error("indexOf", "not a list"))?.iter();
    let (mut at, mut found) = (0, None);
    while let Some(item) = items.next() {
        if equal(item, wanted, Some(budget)) {
            found = Some(at);
            if is_first {
                break;
            }
        }
        budget.check()?;
        at += 1;
    }
    Ok(found)
}

/// Any scalar as a string; numbers as Go writes them.
fn to_string<'b, 'v>(args: Args<'b, 'v>) -> Outcome<'b, 'v> {
    let [budget, value] = take(args)?;
    if text(&value).is_some() {
        return Ok(value);
    }
    let failure = || no_overload("string", &[value.as_ref()]);
    if let Some(bytes) = value.downcast_ref::<CelBytes<'_>>() {
        as_budget(budget.as_ref())?.spend(steps(bytes.inner().len() / 16))?;
        let text = String::from_utf8(bytes.inner().to_vec());
        let text = text.map_err(|_| error("string", "invalid UTF-8 in bytes"))?;
        return Ok(CowVal::owned(CelString::from(text)));
    }
    let made = if let Some(double) = value.downcast_ref::<CelDouble>() {
        go_text::shortest(*double.inner())
    } else if let Some(ip) = value.downcast_ref::<Ip>() {
        ip.0.to_string()
    } else if let Some(cidr) = value.downcast_ref::<Cidr>() {
        cidr.to_string()
    } else if value.get_type().kind() == Kind::Type {
        return Err(failure());
    } else {
        format_string::scalar(value.as_ref()).ok_or_else(failure)?
    };
    Ok(CowVal::owned(CelString::from(made)))
}

fn format<'b, 'v>(args: Args<'b, 'v>) -> Outcome<'b, 'v> {
    let [budget, template, list] = take(args)?;
    let budget = as_budget(budget.as_ref())?;
    let template = text(&template).ok_or_else(|| error("format", "not a string"))?;
    budget.spend(size(list.as_ref()))?;
    let mut items = list.as_iterable().ok_or_else(|| error("format", "not a list"))?.iter();
    let mut values = Vec::new();
    while let Some(item) = items.next() {
        values.push(item);
    }
    format_string::format(template, &values, budget).map(|made| CowVal::owned(CelString::from(made)))
}
