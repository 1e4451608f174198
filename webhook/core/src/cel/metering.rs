//! Rewrites an expression so that its evaluation counts what it spends.
//!
//! The interpreter has neither a budget nor a clock, and lists come from users. So the range of every comprehension is
//! passed through a function that spends its length times what one round takes; within a comprehension, so is whatever
//! takes longer the longer a string or list is. Outside of one, only functions are metered whose result can outgrow
//! their arguments: everything else is evaluated once, and the length of an expression is limited.

use cel::IdedExpr;
use cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, ListExpr, LiteralValue, SelectExpr, operators,
};
use cel::common::types::CelString;

use super::functions;
use super::kubernetes;
use super::library::{self, Cost};

/// The expression, with its costs counted and its comparisons those of `equality`.
pub(super) fn meter(expr: IdedExpr) -> IdedExpr {
    rewrite(expr, false)
}

fn rewrite(expr: IdedExpr, repeated: bool) -> IdedExpr {
    let IdedExpr { id, expr } = expr;
    let rewritten = match expr {
        Expr::Call(call) => rewrite_call(id, call, repeated),
        Expr::Comprehension(comprehension) => rewrite_comprehension(id, *comprehension, repeated),
        Expr::List(mut list) => {
            list.elements = rewrite_all(list.elements, repeated);
            Expr::List(list)
        }
        Expr::Map(mut map) => {
            for entry in &mut map.entries {
                if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                    replace_with(&mut entry.key, |key| rewrite(key, repeated));
                    replace_with(&mut entry.value, |value| rewrite(value, repeated));
                }
            }
            Expr::Map(map)
        }
        Expr::Select(mut select) => {
            let is_optional = is_optional_chain(&select.operand);
            replace_with(&mut select.operand, |operand| rewrite(operand, repeated));
            rewrite_select(id, select, is_optional)
        }
        other @ (Expr::Ident(_) | Expr::Literal(_) | Expr::Struct(_) | Expr::Unspecified) => other,
    };
    IdedExpr { id, expr: rewritten }
}

/// A presence test becomes a call, for what is no map has no fields; a field of an optional is an optional one.
fn rewrite_select(id: u64, select: SelectExpr, is_optional: bool) -> Expr {
    if !select.test && !is_optional {
        return Expr::Select(select);
    }
    let field = IdedExpr { id, expr: Expr::Literal(LiteralValue::String(CelString::from(select.field))) };
    let args = vec![*select.operand, field];
    let func_name = if select.test { functions::HAS } else { operators::OPT_SELECT };
    Expr::Call(CallExpr { func_name: func_name.to_owned(), target: None, args })
}

/// Whether a `.?` or `[?]` stands in the selections that the expression ends in.
fn is_optional_chain(expr: &IdedExpr) -> bool {
    match &expr.expr {
        Expr::Select(select) => !select.test && is_optional_chain(&select.operand),
        Expr::Call(call) => match call.func_name.as_str() {
            operators::OPT_SELECT | operators::OPT_INDEX => true,
            operators::INDEX => call.args.first().is_some_and(is_optional_chain),
            _ => false,
        },
        _ => false,
    }
}

fn rewrite_all(exprs: Vec<IdedExpr>, repeated: bool) -> Vec<IdedExpr> {
    exprs.into_iter().map(|expr| rewrite(expr, repeated)).collect()
}

fn replace_with(place: &mut IdedExpr, change: impl FnOnce(IdedExpr) -> IdedExpr) {
    *place = change(std::mem::take(place));
}

fn rewrite_call(id: u64, call: CallExpr, repeated: bool) -> Expr {
    let CallExpr { func_name, target, args } = call;
    let args = rewrite_all(args, repeated);
    // The name of a namespace is no value.
    if let Some(name) = library::qualified_name(target.as_deref(), &func_name) {
        return charge_call(id, name, None, args, repeated);
    }
    let target = target.map(|target| Box::new(rewrite(*target, repeated)));
    match (func_name.as_str(), target) {
        (operators::EQUALS, None) if !args.iter().any(is_literal) => {
            counting_call(id, functions::EQUALS, args)
        }
        (operators::NOT_EQUALS, None) if !args.iter().any(is_literal) => {
            counting_call(id, functions::DIFFERS, args)
        }
        (operators::IN, None) if !is_cheap_membership(&args, repeated) => {
            counting_call(id, functions::CONTAINED, args)
        }
        (
            operators::ADD
            | operators::LESS
            | operators::LESS_EQUALS
            | operators::GREATER
            | operators::GREATER_EQUALS,
            None,
        ) if repeated && !is_accumulation(&args) => {
            let args = args.into_iter().map(|arg| charge_argument(arg, Cost::Size(1), true)).collect();
            Expr::Call(CallExpr { func_name, target: None, args })
        }
        (_, target) => charge_call(id, func_name, target, args, repeated),
    }
}

fn charge_call(
    id: u64,
    name: String,
    target: Option<Box<IdedExpr>>,
    args: Vec<IdedExpr>,
    repeated: bool,
) -> Expr {
    let Some(cost) = library::cost(&name) else {
        return Expr::Call(CallExpr { func_name: name, target, args });
    };
    if cost == Cost::Counts {
        let args = target.into_iter().map(|target| *target).chain(args).collect();
        return counting_call(id, &format!("@{name}"), args);
    }
    let rest = if target.is_some() { Cost::Size(1) } else { cost };
    let target = target.map(|target| Box::new(charge_argument(*target, cost, repeated)));
    let args = args.into_iter().map(|arg| charge_argument(arg, rest, repeated)).collect();
    Expr::Call(CallExpr { func_name: name, target, args })
}

fn rewrite_comprehension(id: u64, comprehension: ComprehensionExpr, repeated: bool) -> Expr {
    let mut comprehension = over_entries(comprehension);
    replace_with(&mut comprehension.accu_init, |init| rewrite(init, repeated));
    replace_with(&mut comprehension.iter_range, |range| rewrite(range, repeated));
    replace_with(&mut comprehension.loop_cond, |condition| rewrite(condition, true));
    replace_with(&mut comprehension.loop_step, |step| rewrite(step, true));
    // A variable that is bound rather than iterated (optMap, sortBy) can be named often, hence doubled and redoubled.
    replace_with(&mut comprehension.result, |result| rewrite(result, true));
    let is_binding = matches!(&comprehension.iter_range.expr, Expr::List(list) if list.elements.is_empty());
    if !is_binding {
        let weight = nodes(&comprehension.loop_cond) + nodes(&comprehension.loop_step);
        replace_with(&mut comprehension.iter_range, |range| charge(id, functions::CHARGE, weight, range));
    }
    Expr::Comprehension(Box::new(comprehension))
}

/// The comprehension with one variable, which goes over the entries and from which its two are bound.
fn over_entries(comprehension: ComprehensionExpr) -> ComprehensionExpr {
    const ENTRY: &str = "@entry";
    let mut comprehension = comprehension;
    let Some(second) = comprehension.iter_var2.take() else { return comprehension };
    let first = std::mem::replace(&mut comprehension.iter_var, ENTRY.to_owned());
    replace_with(&mut comprehension.iter_range, |range| {
        let id = range.id;
        IdedExpr { id, expr: counting_call(id, kubernetes::ENTRIES, vec![range]) }
    });
    // Only what the author wrote sees the variables, so that the interpreter knows the loop's own parts as they are.
    let bound = |part: IdedExpr| {
        let part = bind(&second, entry_part(part.id, ENTRY, 1), part);
        bind(&first, entry_part(part.id, ENTRY, 0), part)
    };
    replace_with(&mut comprehension.loop_step, |step| bind_written(step, &bound));
    comprehension
}

/// The step of a loop with `bound` around each part of it that its author wrote.
fn bind_written(step: IdedExpr, bound: &dyn Fn(IdedExpr) -> IdedExpr) -> IdedExpr {
    let IdedExpr { id, expr } = step;
    let Expr::Call(mut call) = expr else { return IdedExpr { id, expr } };
    let change: fn(usize, IdedExpr, &dyn Fn(IdedExpr) -> IdedExpr) -> IdedExpr = match call.func_name.as_str()
    {
        // `filter ? step : @result`
        operators::CONDITIONAL => |at, arg, bound| match at {
            0 => bound(arg),
            _ => bind_written(arg, bound),
        },
        // `@result + [transform]`, or a count
        operators::ADD => |_, arg, bound| match arg.expr {
            Expr::List(mut list) => {
                list.elements = list.elements.into_iter().map(bound).collect();
                IdedExpr { id: arg.id, expr: Expr::List(list) }
            }
            expr => IdedExpr { id: arg.id, expr },
        },
        // `@result && predicate`, `insert(@result, key, transform)`
        _ => |at, arg, bound| if at == 0 { arg } else { bound(arg) },
    };
    call.args = call.args.into_iter().enumerate().map(|(at, arg)| change(at, arg, bound)).collect();
    IdedExpr { id, expr: Expr::Call(call) }
}

fn entry_part(id: u64, entry: &str, at: i64) -> IdedExpr {
    let entry = IdedExpr { id, expr: Expr::Ident(entry.to_owned()) };
    let at = IdedExpr { id, expr: Expr::Literal(LiteralValue::Int(at.into())) };
    let call = CallExpr { func_name: operators::INDEX.to_owned(), target: None, args: vec![entry, at] };
    IdedExpr { id, expr: Expr::Call(call) }
}

/// `name` bound to `value` in `result`: a loop over nothing, as optMap expands to.
fn bind(name: &str, value: IdedExpr, result: IdedExpr) -> IdedExpr {
    let id = result.id;
    let of = |expr: Expr| IdedExpr { id, expr };
    let comprehension = ComprehensionExpr {
        iter_range: of(Expr::List(ListExpr::new(Vec::new()))),
        iter_var: "#unused".to_owned(),
        iter_var2: None,
        accu_var: name.to_owned(),
        accu_init: value,
        loop_cond: of(Expr::Literal(LiteralValue::Boolean(false.into()))),
        loop_step: of(Expr::Ident(name.to_owned())),
        result,
    };
    of(Expr::Comprehension(Box::new(comprehension)))
}

/// `value in container` that takes the interpreter's own comparison and no time to speak of: scalars on one side.
fn is_cheap_membership(args: &[IdedExpr], repeated: bool) -> bool {
    match args {
        [_, IdedExpr { expr: Expr::List(list), .. }] => list.elements.iter().all(is_literal),
        [value, _] => is_literal(value) && !repeated,
        _ => true,
    }
}

/// `@result + [x]`, as `map` and `filter` expand to. The interpreter appends in place where it finds exactly this; else
/// it copies the list in every round.
fn is_accumulation(args: &[IdedExpr]) -> bool {
    matches!(args, [IdedExpr { expr: Expr::Ident(name), .. }, _] if name == "@result")
}

fn is_literal(expr: &IdedExpr) -> bool {
    matches!(expr.expr, Expr::Literal(_))
}

fn charge_argument(arg: IdedExpr, cost: Cost, repeated: bool) -> IdedExpr {
    // Literals are as long as the expression allows.
    if is_literal(&arg) {
        return arg;
    }
    let id = arg.id;
    match cost {
        Cost::Size(weight) if repeated => charge(id, functions::CHARGE, weight, arg),
        Cost::Size(_) => arg,
        Cost::Always(weight) => charge(id, functions::CHARGE, weight, arg),
        Cost::Deep(weight) => charge(id, functions::CHARGE_DEEP, weight, arg),
        Cost::Pairs(weight) => charge(id, functions::CHARGE_PAIRS, weight, arg),
        Cost::Counts => arg,
    }
}

fn charge(id: u64, function: &str, weight: i64, value: IdedExpr) -> IdedExpr {
    let weight = IdedExpr { id, expr: Expr::Literal(LiteralValue::Int(weight.into())) };
    IdedExpr { id, expr: counting_call(id, function, vec![weight, value]) }
}

fn counting_call(id: u64, function: &str, args: Vec<IdedExpr>) -> Expr {
    let budget = IdedExpr { id, expr: Expr::Ident(functions::BUDGET.to_owned()) };
    Expr::Call(CallExpr { func_name: function.to_owned(), target: None, args: [vec![budget], args].concat() })
}

/// The parts of an expression that one evaluation may visit; comprehensions within count for themselves.
fn nodes(expr: &IdedExpr) -> i64 {
    let below: i64 = match &expr.expr {
        Expr::Call(call) => {
            let parts = call.target.as_deref().into_iter().chain(&call.args);
            parts.map(nodes).sum::<i64>()
        }
        Expr::Comprehension(inner) => {
            nodes(&inner.accu_init) + nodes(&inner.iter_range) + nodes(&inner.result)
        }
        Expr::List(list) => list.elements.iter().map(nodes).sum(),
        Expr::Map(map) => map
            .entries
            .iter()
            .map(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => nodes(&entry.key) + nodes(&entry.value),
                EntryExpr::StructField(field) => nodes(&field.value),
            })
            .sum(),
        Expr::Select(select) => nodes(&select.operand),
        Expr::Ident(_) | Expr::Literal(_) | Expr::Struct(_) | Expr::Unspecified => 0,
    };
    below + 1
}
