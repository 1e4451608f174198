//! Rewrites an expression so that its evaluation counts what it spends.
//!
//! The interpreter has neither a budget nor a clock, and objects come from users. So the range of every comprehension is
//! passed through a function that spends its length times what one round takes, and so is whatever takes longer the
//! longer a string or a list is. Where the interpreter copies what an evaluation has made, the copy is counted too (see
//! `lending`): a variable that holds a megabyte would else be put into a list ten thousand times for ten thousand steps.

use cel::IdedExpr;
use cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, ListExpr, LiteralValue, SelectExpr, operators,
};
use cel::common::types::CelString;

use super::functions;
use super::kubernetes;
use super::lending::Locals;
use super::library::{self, Cost};

/// The expression, with its costs counted and its comparisons those of `equality`.
pub(super) fn meter(expr: IdedExpr) -> IdedExpr {
    Meter::default().rewrite(expr)
}

#[derive(Default)]
struct Meter {
    locals: Locals,
}

impl Meter {
    fn rewrite(&mut self, expr: IdedExpr) -> IdedExpr {
        let IdedExpr { id, expr } = expr;
        let rewritten = match expr {
            Expr::Call(call) => self.rewrite_call(id, call),
            Expr::Comprehension(comprehension) => self.rewrite_comprehension(id, *comprehension),
            Expr::List(mut list) => {
                list.elements = list.elements.into_iter().map(|element| self.rewrite_kept(element)).collect();
                Expr::List(list)
            }
            Expr::Map(mut map) => {
                for entry in &mut map.entries {
                    if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                        replace_with(&mut entry.key, |key| self.rewrite_kept(key));
                        replace_with(&mut entry.value, |value| self.rewrite_kept(value));
                    }
                }
                Expr::Map(map)
            }
            Expr::Select(select) => self.rewrite_select(id, select),
            other @ (Expr::Ident(_) | Expr::Literal(_) | Expr::Struct(_) | Expr::Unspecified) => other,
        };
        IdedExpr { id, expr: rewritten }
    }

    /// A part whose value is kept, hence copied if it is lent.
    fn rewrite_kept(&mut self, expr: IdedExpr) -> IdedExpr {
        let lends = self.locals.lends(&expr);
        let expr = self.rewrite(expr);
        if lends { charge(expr.id, functions::CHARGE_COPY, 1, expr) } else { expr }
    }

    /// A presence test becomes a call, for what is no map has no fields; a field of an optional is an optional one.
    fn rewrite_select(&mut self, id: u64, mut select: SelectExpr) -> Expr {
        let is_optional = is_optional_chain(&select.operand);
        let is_copied = self.copies_members(&select.operand) && !select.test;
        replace_with(&mut select.operand, |operand| tick(self.rewrite(operand), is_copied));
        if !select.test && !is_optional {
            return charge_made(id, is_copied, Expr::Select(select));
        }
        let field = IdedExpr { id, expr: Expr::Literal(LiteralValue::String(CelString::from(select.field))) };
        let args = vec![*select.operand, field];
        let func_name = if select.test { functions::HAS } else { operators::OPT_SELECT };
        charge_made(
            id,
            is_copied,
            Expr::Call(CallExpr { func_name: func_name.to_owned(), target: None, args }),
        )
    }

    /// Whether a member of what is lent may be copied: it is where the container is an optional, or the member is to
    /// become one. `variables` itself is none.
    fn copies_members(&self, container: &IdedExpr) -> bool {
        let is_root =
            matches!(&container.expr, Expr::Ident(name) if name.trim_start_matches('.') == "variables");
        !is_root && self.locals.lends(container)
    }

    fn rewrite_call(&mut self, id: u64, call: CallExpr) -> Expr {
        let CallExpr { func_name, target, args } = call;
        // The name of a namespace is no value.
        if let Some(name) = library::qualified_name(target.as_deref(), &func_name) {
            return self.charge_call(id, name, None, args);
        }
        match (func_name.as_str(), &target) {
            (operators::EQUALS, None) if !args.iter().any(is_literal) => {
                counting_call(id, functions::EQUALS, self.rewrite_all(args))
            }
            (operators::NOT_EQUALS, None) if !args.iter().any(is_literal) => {
                counting_call(id, functions::DIFFERS, self.rewrite_all(args))
            }
            (operators::IN, None) if !is_cheap_membership(&args) => {
                counting_call(id, functions::CONTAINED, self.rewrite_all(args))
            }
            (operators::INDEX | operators::OPT_INDEX | operators::OPT_SELECT, None) => {
                let mut parts = args.into_iter();
                let (Some(container), Some(key)) = (parts.next(), parts.next()) else {
                    return Expr::Unspecified;
                };
                let is_optional = func_name == operators::OPT_SELECT || func_name == operators::OPT_INDEX;
                let lends = self.locals.lends(&container);
                let is_copied = if is_optional { lends } else { self.copies_members(&container) };
                let container = tick(self.rewrite(container), is_copied);
                let is_name =
                    matches!(key.expr, Expr::Literal(LiteralValue::String(_) | LiteralValue::Int(_)));
                let key = match self.rewrite(key) {
                    key if lends && !is_name => charge(key.id, functions::CHARGE_INDEX, 1, key),
                    key => charge_argument(key, Cost::Size(1)),
                };
                let args = vec![container, key];
                charge_made(id, is_copied, Expr::Call(CallExpr { func_name, target: None, args }))
            }
            // The interpreter appends in place where it finds exactly this; else it copies the list in every round.
            (operators::ADD, None) if is_accumulation(&args) => {
                Expr::Call(CallExpr { func_name, target: None, args: self.rewrite_all(args) })
            }
            _ => self.charge_call(id, func_name, target, args),
        }
    }

    fn rewrite_all(&mut self, exprs: Vec<IdedExpr>) -> Vec<IdedExpr> {
        exprs.into_iter().map(|expr| self.rewrite(expr)).collect()
    }

    fn charge_call(
        &mut self,
        id: u64,
        name: String,
        target: Option<Box<IdedExpr>>,
        args: Vec<IdedExpr>,
    ) -> Expr {
        let cost = library::cost(&name);
        if cost == Some(Cost::Keeps) {
            let target = target.map(|target| Box::new(self.rewrite_kept(*target)));
            let args = args.into_iter().map(|arg| self.rewrite_kept(arg)).collect();
            return Expr::Call(CallExpr { func_name: name, target, args });
        }
        let target = target.map(|target| self.rewrite(*target));
        let args = self.rewrite_all(args);
        let Some(cost) = cost else {
            return Expr::Call(CallExpr { func_name: name, target: target.map(Box::new), args });
        };
        if cost == Cost::Counts {
            let args = target.into_iter().chain(args).collect();
            return counting_call(id, &format!("@{name}"), args);
        }
        let rest = if target.is_some() { Cost::Size(1) } else { cost };
        let target = target.map(|target| Box::new(charge_argument(target, cost)));
        let args = args.into_iter().map(|arg| charge_argument(arg, rest)).collect();
        Expr::Call(CallExpr { func_name: name, target, args })
    }

    fn rewrite_comprehension(&mut self, id: u64, comprehension: ComprehensionExpr) -> Expr {
        let has_computed_elements = self.locals.has_computed_elements(&comprehension.iter_range);
        let mut comprehension = over_entries(comprehension);
        let is_binding =
            matches!(&comprehension.iter_range.expr, Expr::List(list) if list.elements.is_empty());
        let makes_map = matches!(comprehension.accu_init.expr, Expr::Map(_));
        // A variable that is bound rather than iterated (optMap, sortBy) can be named often, hence doubled and redoubled.
        let accumulates_computed =
            makes_map || (is_binding && self.locals.has_computed_elements(&comprehension.accu_init));
        replace_with(&mut comprehension.accu_init, |init| self.rewrite_kept(init));
        replace_with(&mut comprehension.iter_range, |range| self.rewrite(range));
        let outer = self.locals.len();
        self.locals.push(&comprehension.accu_var, accumulates_computed);
        let accumulator = self.locals.len();
        self.locals.push(&comprehension.iter_var, has_computed_elements);
        replace_with(&mut comprehension.loop_cond, |condition| self.rewrite(condition));
        replace_with(&mut comprehension.loop_step, |step| self.rewrite_kept(step));
        self.locals.truncate(accumulator);
        replace_with(&mut comprehension.result, |result| self.rewrite_kept(result));
        self.locals.truncate(outer);
        if !is_binding {
            let weight = nodes(&comprehension.loop_cond) + nodes(&comprehension.loop_step);
            let function = if has_computed_elements { functions::CHARGE_ELEMENTS } else { functions::CHARGE };
            replace_with(&mut comprehension.iter_range, |range| charge(id, function, weight, range));
        }
        Expr::Comprehension(Box::new(comprehension))
    }
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

fn replace_with(place: &mut IdedExpr, change: impl FnOnce(IdedExpr) -> IdedExpr) {
    *place = change(std::mem::take(place));
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

/// `value in container` that takes the interpreter's own comparison and no time to speak of: literals to compare with.
fn is_cheap_membership(args: &[IdedExpr]) -> bool {
    match args {
        [_, IdedExpr { expr: Expr::List(list), .. }] => list.elements.iter().all(is_literal),
        _ => false,
    }
}

/// `@result + [x]`, as `map` and `filter` expand to.
fn is_accumulation(args: &[IdedExpr]) -> bool {
    matches!(args, [IdedExpr { expr: Expr::Ident(name), .. }, _] if name == "@result")
}

fn is_literal(expr: &IdedExpr) -> bool {
    matches!(expr.expr, Expr::Literal(_))
}

fn charge_argument(arg: IdedExpr, cost: Cost) -> IdedExpr {
    // Literals are as long as the expression allows.
    if is_literal(&arg) {
        return arg;
    }
    let id = arg.id;
    match cost {
        Cost::Size(weight) => charge(id, functions::CHARGE, weight, arg),
        Cost::Copies => charge(id, functions::CHARGE_ELEMENTS, 1, arg),
        Cost::Deep(weight) => charge(id, functions::CHARGE_DEEP, weight, arg),
        Cost::Pairs(weight) => charge(id, functions::CHARGE_PAIRS, weight, arg),
        Cost::Rest | Cost::Counts | Cost::Keeps => arg,
    }
}

/// A part that is not evaluated further once nothing is left: what is counted only after it was done is not done again
/// in the rounds that `||` goes on for.
fn tick(expr: IdedExpr, is_needed: bool) -> IdedExpr {
    if is_needed { charge(expr.id, functions::TICK, 1, expr) } else { expr }
}

/// A part that may have been copied as it was evaluated.
fn charge_made(id: u64, is_copied: bool, made: Expr) -> Expr {
    if is_copied { charge(id, functions::CHARGE_MADE, 1, IdedExpr { id, expr: made }).expr } else { made }
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
