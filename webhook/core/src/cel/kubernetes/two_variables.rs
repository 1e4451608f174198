//! Comprehensions with two variables: `object.metadata.labels.all(key, value, …)`, `list.transformList(index, item, …)`.
//!
//! The interpreter iterates with one. So the macros expand to what cel-go's do, and `metering` has them go over the
//! entries, from which both variables are bound.

use std::collections::HashMap;

use cel::common::ast::{
    CallExpr, ComprehensionExpr, Expr, IdedExpr, ListExpr, LiteralValue, MapExpr, operators,
};
use cel::common::types::{CelInt, CelList, CelMap, CelMapKey, DYN_TYPE, Kind};
use cel::common::value::{CowVal, Val};
use cel::parser::{Macro, MacroExprHelper, ParseError};
use cel::{DeclarationError, Env, ExecutionError};

use super::super::budget::Budget;
use super::super::copying::{copy, own};
use super::super::functions::{Args, Outcome, as_budget, no_overload, size, take};
use super::super::library::Function;
use super::error;

/// `(budget, list or map)`: a list of `[index or key, value]`.
pub(in super::super) const ENTRIES: &str = "@entries";
/// `(map, key, value)` or `(map, entries)`: the map with them added; as expanded, without the budget.
pub(in super::super) const MAP_INSERT: &str = "cel.@mapInsert";

pub(super) const FUNCTIONS: &[Function] =
    &[Function::counting(MAP_INSERT, &["(map(K, V), K, V) map(K, V)", "(map(K, V), map(K, V)) map(K, V)"])];

pub(super) fn declare(env: &mut Env) -> Result<(), DeclarationError> {
    env.add_overload(ENTRIES, ENTRIES, vec![DYN_TYPE, DYN_TYPE], entries)?;
    let types = |count: usize| std::iter::repeat_with(|| DYN_TYPE).take(count).collect();
    env.add_overload("@cel.@mapInsert", "@map_insert_entry", types(4), insert)?;
    env.add_overload("@cel.@mapInsert", "@map_insert_entries", types(3), insert)?;
    for name in ["all", "exists", "existsOne", "exists_one"] {
        env.add_macro(Macro::receiver(name, 3, move |helper, target, args| {
            quantifier(name, helper, target, args)
        }))?;
    }
    for name in ["transformList", "transformMap", "transformMapEntry"] {
        for count in [3, 4] {
            env.add_macro(Macro::receiver(name, count, move |helper, target, args| {
                transform(name, helper, target, args)
            }))?;
        }
    }
    Ok(())
}

const RESULT: &str = "@result";

type Expanded = Result<Option<IdedExpr>, ParseError>;

fn result(helper: &mut MacroExprHelper<'_>) -> IdedExpr {
    helper.next_expr(Expr::Ident(RESULT.to_owned()))
}

fn call(helper: &mut MacroExprHelper<'_>, function: &str, args: Vec<IdedExpr>) -> IdedExpr {
    helper.next_expr(Expr::Call(CallExpr { func_name: function.to_owned(), target: None, args }))
}

fn literal(helper: &mut MacroExprHelper<'_>, value: LiteralValue) -> IdedExpr {
    helper.next_expr(Expr::Literal(value))
}

/// The two variables, taken from the first two arguments.
fn variables(
    helper: &mut MacroExprHelper<'_>,
    args: &mut Vec<IdedExpr>,
) -> Result<(String, String), ParseError> {
    let mut names = Vec::new();
    for arg in args.drain(..2.min(args.len())).collect::<Vec<_>>() {
        match arg.expr {
            Expr::Ident(name) if names.contains(&name) => {
                return Err(helper.new_error(arg.id, format!("duplicate variable name: {name}")));
            }
            Expr::Ident(name) => names.push(name),
            _ => return Err(helper.new_error(arg.id, "argument must be a simple name")),
        }
    }
    let mut names = names.into_iter();
    Ok((names.next().unwrap_or_default(), names.next().unwrap_or_default()))
}

struct Loop {
    init: IdedExpr,
    condition: IdedExpr,
    step: IdedExpr,
    result: IdedExpr,
}

fn comprehension(
    helper: &mut MacroExprHelper<'_>,
    target: &mut Option<IdedExpr>,
    (first, second): (String, String),
    parts: Loop,
) -> Expanded {
    Ok(Some(helper.next_expr(Expr::Comprehension(Box::new(ComprehensionExpr {
        iter_range: target.take().unwrap_or_default(),
        iter_var: first,
        iter_var2: Some(second),
        accu_var: RESULT.to_owned(),
        accu_init: parts.init,
        loop_cond: parts.condition,
        loop_step: parts.step,
        result: parts.result,
    })))))
}

fn quantifier(
    name: &str,
    helper: &mut MacroExprHelper<'_>,
    target: &mut Option<IdedExpr>,
    args: &mut Vec<IdedExpr>,
) -> Expanded {
    let names = variables(helper, args)?;
    let predicate = args.pop().unwrap_or_default();
    let accumulated = result(helper);
    let parts = match name {
        "all" => Loop {
            init: literal(helper, LiteralValue::Boolean(true.into())),
            condition: call(helper, operators::NOT_STRICTLY_FALSE, vec![accumulated]),
            step: {
                let before = result(helper);
                call(helper, operators::LOGICAL_AND, vec![before, predicate])
            },
            result: result(helper),
        },
        "exists" => Loop {
            init: literal(helper, LiteralValue::Boolean(false.into())),
            condition: {
                let not = call(helper, operators::LOGICAL_NOT, vec![accumulated]);
                call(helper, operators::NOT_STRICTLY_FALSE, vec![not])
            },
            step: {
                let before = result(helper);
                call(helper, operators::LOGICAL_OR, vec![before, predicate])
            },
            result: result(helper),
        },
        _ => Loop {
            init: literal(helper, LiteralValue::Int(0.into())),
            condition: literal(helper, LiteralValue::Boolean(true.into())),
            step: {
                let one = literal(helper, LiteralValue::Int(1.into()));
                let more = call(helper, operators::ADD, vec![accumulated, one]);
                let before = result(helper);
                call(helper, operators::CONDITIONAL, vec![predicate, more, before])
            },
            result: {
                let (count, one) = (result(helper), literal(helper, LiteralValue::Int(1.into())));
                call(helper, operators::EQUALS, vec![count, one])
            },
        },
    };
    comprehension(helper, target, names, parts)
}

fn transform(
    name: &str,
    helper: &mut MacroExprHelper<'_>,
    target: &mut Option<IdedExpr>,
    args: &mut Vec<IdedExpr>,
) -> Expanded {
    let names = variables(helper, args)?;
    let made = args.pop().unwrap_or_default();
    let filter = args.pop();
    let before = result(helper);
    let (init, step) = match name {
        "transformList" => {
            let list = helper.next_expr(Expr::List(ListExpr::new(vec![made])));
            let empty = helper.next_expr(Expr::List(ListExpr::new(Vec::new())));
            (empty, call(helper, operators::ADD, vec![before, list]))
        }
        "transformMap" => {
            let key = helper.next_expr(Expr::Ident(names.0.clone()));
            let empty = helper.next_expr(Expr::Map(MapExpr { entries: Vec::new() }));
            (empty, call(helper, MAP_INSERT, vec![before, key, made]))
        }
        _ => {
            let empty = helper.next_expr(Expr::Map(MapExpr { entries: Vec::new() }));
            (empty, call(helper, MAP_INSERT, vec![before, made]))
        }
    };
    let step = match filter {
        Some(filter) => {
            let unchanged = result(helper);
            call(helper, operators::CONDITIONAL, vec![filter, step, unchanged])
        }
        None => step,
    };
    let condition = literal(helper, LiteralValue::Boolean(true.into()));
    let parts = Loop { init, condition, step, result: result(helper) };
    comprehension(helper, target, names, parts)
}

fn entries<'b, 'v>(args: Args<'b, 'v>) -> Outcome<'b, 'v> {
    let [budget, range] = take(args)?;
    let budget = as_budget(budget.as_ref())?;
    budget.spend(size(range.as_ref()))?;
    let kind = range.get_type().kind();
    let iterable = range.as_iterable().ok_or_else(|| no_overload("comprehension", &[range.as_ref()]))?;
    let mut items = iterable.iter();
    let mut made: Vec<Box<dyn Val + 'v>> = Vec::new();
    while let Some(item) = items.next() {
        budget.spend(4)?;
        let (first, second): (Box<dyn Val + 'v>, Box<dyn Val + 'v>) = if kind == Kind::Map {
            let values = range.as_indexer().ok_or_else(|| error("comprehension", "not a map"))?;
            (copy(item, budget)?, own(values.get(item)?, budget)?)
        } else {
            let at = i64::try_from(made.len()).unwrap_or(i64::MAX);
            (Box::new(CelInt::from(at)), copy(item, budget)?)
        };
        made.push(Box::new(CelList::from(vec![first, second])));
    }
    Ok(CowVal::owned(CelList::from(made)))
}

/// The map is copied each time, and what is copied is spent.
fn insert<'b, 'v>(args: Args<'b, 'v>) -> Outcome<'b, 'v> {
    let mut args = args.into_iter();
    let (Some(budget), Some(map), Some(first)) = (args.next(), args.next(), args.next()) else {
        return Err(error("transformMap", "too few arguments"));
    };
    let budget = as_budget(budget.as_ref())?;
    let mut made: HashMap<CelMapKey<'v>, Box<dyn Val + 'v>> = HashMap::new();
    add_all(&map, &mut made, budget)?;
    match args.next() {
        Some(value) => {
            let key: CowVal<'_, 'v> = CowVal::Owned(own(first, budget)?);
            add(&mut made, key.try_into()?, own(value, budget)?)?;
        }
        None => add_all(&first, &mut made, budget)?,
    }
    Ok(CowVal::owned(CelMap::from(made)))
}

fn add_all<'v>(
    map: &CowVal<'_, 'v>,
    to: &mut HashMap<CelMapKey<'v>, Box<dyn Val + 'v>>,
    budget: &Budget,
) -> Result<(), ExecutionError> {
    let not_a_map = || no_overload("transformMap", &[map.as_ref()]);
    let values = map.as_indexer().ok_or_else(not_a_map)?;
    let mut keys = map.as_iterable().ok_or_else(not_a_map)?.iter();
    while let Some(key) = keys.next() {
        budget.spend(1)?;
        let owned: CowVal<'_, 'v> = CowVal::Owned(copy(key, budget)?);
        add(to, owned.try_into()?, own(values.get(key)?, budget)?)?;
    }
    Ok(())
}

fn add<'v>(
    to: &mut HashMap<CelMapKey<'v>, Box<dyn Val + 'v>>,
    key: CelMapKey<'v>,
    value: Box<dyn Val + 'v>,
) -> Result<(), ExecutionError> {
    match to.insert(key, value) {
        None => Ok(()),
        Some(_) => Err(error("transformMap", "repeated key")),
    }
}
