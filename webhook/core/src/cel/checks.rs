//! What is refused when an expression is compiled: names that nothing has, types that don't fit, malformed patterns,
//! and nesting deeper than the stack should bear.

use std::collections::BTreeSet;

use cel::IdedExpr;
use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue, SelectExpr, operators};

use super::kubernetes::{self, Pattern};
use super::library;
use super::names::Names;
use super::scope::Variable;
use super::types::{MAX_PARTS, Substitutions, Type, most_general};

/// Levels of an expression. The interpreter takes a few kilobytes of stack for each.
pub(super) const MAX_DEPTH: usize = 64;

/// Comprehensions within comprehensions. Each multiplies the rounds by the length of a list.
pub(super) const MAX_NESTED_COMPREHENSIONS: usize = 4;

/// What an expression must evaluate to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Returns {
    Bool,
    String,
    Anything,
}

impl Returns {
    /// As in Kubernetes, a type that is known only when it is evaluated is not enough.
    fn accepts(self, found: &Type) -> bool {
        match self {
            Self::Bool => *found == Type::Bool,
            Self::String => *found == Type::String,
            Self::Anything => true,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::String => "string",
            Self::Anything => "any value",
        }
    }
}

/// What is wrong, and with which part of the expression.
pub(super) struct Fault {
    pub(super) id: u64,
    pub(super) message: String,
}

impl Fault {
    fn new(expr: &IdedExpr, message: impl Into<String>) -> Self {
        Self { id: expr.id, message: message.into() }
    }
}

/// What is found in checking: the variables that the expression names, and the type of what it gives.
pub(super) struct Checked {
    pub(super) variables: BTreeSet<Variable>,
    pub(super) result: Type,
}

/// Checks the expression.
pub(super) fn check(expr: &IdedExpr, returns: Returns, names: &Names) -> Result<Checked, Fault> {
    let mut checker = Checker {
        names,
        variables: BTreeSet::new(),
        locals: Vec::new(),
        known: Substitutions::default(),
        aggregates: Vec::new(),
        formats: Vec::new(),
        depth: 0,
        comprehensions: 0,
        within_format: 0,
    };
    let result = checker.visit(expr)?;
    let result = checker.known.apply(&result, true);
    checker.check_aggregates()?;
    checker.check_formats()?;
    if !returns.accepts(&result) {
        let wanted = returns.name();
        let message = if result == Type::Dyn {
            let cast = if returns == Returns::Bool {
                "compare it, as in `… == true`"
            } else {
                "wrap it in string()"
            };
            format!("evaluates to a value of any type, must be {wanted}: {cast}")
        } else {
            format!("evaluates to {result}, must be {wanted}")
        };
        return Err(Fault::new(expr, message));
    }
    Ok(Checked { variables: checker.variables, result })
}

struct Checker<'e> {
    names: &'e Names,
    variables: BTreeSet<Variable>,
    /// The variables of the comprehensions around the part that is visited.
    locals: Vec<(&'e str, Type)>,
    known: Substitutions,
    /// The members of list literals, and the keys or the values of map literals: all of one type.
    aggregates: Vec<Vec<(u64, Type)>>,
    /// Templates that are written out, with the types of their arguments.
    formats: Vec<(u64, &'e str, Vec<Type>)>,
    depth: usize,
    comprehensions: usize,
    /// Calls of `format` around the part that is visited: their lists are of many types.
    within_format: usize,
}

type Found = Result<Type, Fault>;

impl<'e> Checker<'e> {
    fn visit(&mut self, expr: &'e IdedExpr) -> Found {
        if self.depth == MAX_DEPTH {
            return Err(Fault::new(expr, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        self.depth += 1;
        let found = self.visit_parts(expr)?;
        self.depth -= 1;
        let found = self.known.apply(&found, false);
        if found.parts() > MAX_PARTS {
            return Err(Fault::new(expr, format!("of a type with more than {MAX_PARTS} parts")));
        }
        Ok(found)
    }

    fn visit_parts(&mut self, expr: &'e IdedExpr) -> Found {
        match &expr.expr {
            Expr::Literal(literal) => Ok(type_of(literal)),
            Expr::Ident(name) => self.visit_name(expr, name),
            Expr::Select(select) => self.visit_select(expr, select),
            Expr::List(list) => {
                let mut members = Vec::new();
                for (at, element) in list.elements.iter().enumerate() {
                    let found = self.visit(element)?;
                    let found =
                        if list.optional_indices.contains(&at) { held(element, found)? } else { found };
                    members.push((element.id, found));
                }
                let element = self.join(&members);
                self.keep(members);
                Ok(Type::list(element))
            }
            Expr::Map(map) => {
                let (mut keys, mut values) = (Vec::new(), Vec::new());
                for entry in &map.entries {
                    let EntryExpr::MapEntry(entry) = &entry.expr else {
                        return Err(Fault::new(expr, "a map has keys, not fields"));
                    };
                    keys.push((entry.key.id, self.visit(&entry.key)?));
                    let found = self.visit(&entry.value)?;
                    let found = if entry.optional { held(&entry.value, found)? } else { found };
                    values.push((entry.value.id, found));
                }
                let (key, value) = (self.join(&keys), self.join(&values));
                if key == Type::Double {
                    return Err(Fault::new(expr, "a map with keys of type double, which is not supported"));
                }
                self.keep(keys);
                self.keep(values);
                Ok(Type::map(key, value))
            }
            Expr::Call(call) => self.visit_call(expr, call),
            Expr::Comprehension(comprehension) => self.visit_comprehension(expr, comprehension),
            Expr::Struct(message) => Err(Fault::new(expr, format!("no such type: {}", message.type_name))),
            Expr::Unspecified => Err(Fault::new(expr, "empty expression")),
        }
    }

    fn visit_name(&mut self, expr: &IdedExpr, name: &str) -> Found {
        // A leading dot passes over the variables of comprehensions.
        let (name, local) = match name.strip_prefix('.') {
            Some(absolute) => (absolute, None),
            None => (name, self.locals.iter().rev().find(|(local, _)| *local == name)),
        };
        if let Some((_, found)) = local {
            return Ok(found.clone());
        }
        if let Some(of) = library::type_named(name) {
            return Ok(Type::types(of));
        }
        let found = self.names.find(name).ok_or_else(|| Fault::new(expr, self.names.missing(name)))?;
        self.variables.extend(Variable::named(name));
        Ok(found)
    }

    fn visit_select(&mut self, expr: &'e IdedExpr, select: &'e SelectExpr) -> Found {
        let named = || qualified(expr).and_then(|name| library::type_named(&name));
        if !select.test
            && let Some(of) = named()
        {
            return Ok(Type::types(of));
        }
        let operand = self.visit(&select.operand)?;
        let field = self.field(expr, operand, &select.field, false)?;
        Ok(if select.test { Type::Bool } else { field })
    }

    /// The type of a field; an optional one if `is_optional`, or if what has it is optional.
    fn field(&mut self, expr: &IdedExpr, operand: Type, field: &str, is_optional: bool) -> Found {
        let (operand, is_optional) = match operand {
            Type::Optional(held) => (*held, true),
            operand => (operand, is_optional),
        };
        let found = match self.known.apply(&operand, false) {
            Type::Map(_, value) => *value,
            Type::Object(object) => {
                self.names.field(object, field).map_err(|message| Fault::new(expr, message))?
            }
            Type::Dyn => Type::Dyn,
            free @ Type::Var(_) => {
                self.known.fit(&Type::Dyn, &free);
                Type::Dyn
            }
            other => return Err(Fault::new(expr, format!("a value of type {other} has no fields"))),
        };
        Ok(if is_optional { Type::optional(found) } else { found })
    }

    fn visit_call(&mut self, expr: &'e IdedExpr, call: &'e CallExpr) -> Found {
        if call.func_name == operators::OPT_SELECT {
            let [operand, field] = call.args.as_slice() else {
                return Err(Fault::new(expr, "malformed selection"));
            };
            let Expr::Literal(LiteralValue::String(field)) = &field.expr else {
                return Err(Fault::new(expr, "malformed selection"));
            };
            let operand = self.visit(operand)?;
            return self.field(expr, operand, field.inner(), true);
        }
        let qualified = library::qualified_name(call.target.as_deref(), &call.func_name);
        let name = qualified.as_deref().unwrap_or(&call.func_name);
        let Some(function) = library::function(name) else {
            return Err(Fault::new(expr, format!("no such function: {name}")));
        };
        let target = call.target.as_deref().filter(|_| qualified.is_none());
        let is_format = name == "format" && target.is_some();
        self.within_format += usize::from(is_format);
        let (mut args, mut formatted) = (Vec::new(), None);
        for part in target.into_iter().chain(&call.args) {
            args.push(match &part.expr {
                Expr::List(list) if is_format => {
                    let given: Result<Vec<Type>, Fault> =
                        list.elements.iter().map(|element| self.visit(element)).collect();
                    formatted = Some(given?);
                    Type::list(Type::Dyn)
                }
                _ => self.visit(part)?,
            });
        }
        self.within_format -= usize::from(is_format);
        check_literals(name, target, &call.args)?;
        if let (Some(given), Some(Expr::Literal(LiteralValue::String(template)))) =
            (formatted, target.map(|target| &target.expr))
        {
            self.formats.push((expr.id, template.inner(), given));
        }
        if [operators::LOGICAL_AND, operators::LOGICAL_OR].contains(&name) {
            for (part, found) in call.args.iter().zip(&args) {
                if !self.known.fit(found, &Type::Bool) {
                    return Err(Fault::new(part, format!("of type {found} where bool is wanted")));
                }
            }
            return Ok(Type::Bool);
        }
        let mut result: Option<Type> = None;
        for signature in function.signatures.iter().filter(|one| one.is_member == target.is_some()) {
            if let Some(found) = signature.call(&args, &mut self.known) {
                result = Some(match result {
                    None => found,
                    Some(before) if before == Type::Dyn || before == found => before,
                    Some(_) => Type::Dyn,
                });
            }
        }
        result.ok_or_else(|| Fault::new(expr, self.no_overload(name, target.is_some(), &args)))
    }

    fn no_overload(&self, name: &str, is_member: bool, args: &[Type]) -> String {
        let given: Vec<String> = args.iter().map(|arg| self.known.apply(arg, true).to_string()).collect();
        match (is_member, given.split_first()) {
            (true, Some((target, rest))) => {
                format!("{name} does not apply to {target}.({})", rest.join(", "))
            }
            _ => format!("{} does not apply to ({})", written(name), given.join(", ")),
        }
    }

    fn visit_comprehension(&mut self, expr: &'e IdedExpr, comprehension: &'e ComprehensionExpr) -> Found {
        let range = self.visit(&comprehension.iter_range)?;
        let accumulated = self.visit(&comprehension.accu_init)?;
        // A variable that is bound (optMap, sortBy) is no loop.
        let is_loop = !matches!(&comprehension.iter_range.expr, Expr::List(list) if list.elements.is_empty());
        self.comprehensions += usize::from(is_loop);
        if self.comprehensions > MAX_NESTED_COMPREHENSIONS {
            let message = format!("more than {MAX_NESTED_COMPREHENSIONS} comprehensions within each other");
            return Err(Fault::new(expr, message));
        }
        let has_two = comprehension.iter_var2.is_some();
        let (first, second) = match self.known.apply(&range, false) {
            Type::List(element) if has_two => (Type::Int, *element),
            Type::List(element) => (*element, Type::Dyn),
            Type::Map(key, value) => (*key, *value),
            free @ (Type::Dyn | Type::Var(_)) => {
                self.known.fit(&Type::Dyn, &free);
                (Type::Dyn, Type::Dyn)
            }
            other => {
                let message = format!("a value of type {other} has no elements to go over");
                return Err(Fault::new(&comprehension.iter_range, message));
            }
        };
        let outer = self.locals.len();
        self.locals.push((&comprehension.accu_var, accumulated.clone()));
        self.locals.push((&comprehension.iter_var, first));
        self.locals.extend(comprehension.iter_var2.as_deref().map(|name| (name, second)));
        for (part, wanted) in
            [(&comprehension.loop_cond, Type::Bool), (&comprehension.loop_step, accumulated)]
        {
            let found = self.visit(part)?;
            if !self.known.fit(&found, &wanted) {
                let wanted = self.known.apply(&wanted, true);
                return Err(Fault::new(part, format!("of type {found} where {wanted} is wanted")));
            }
        }
        self.locals.truncate(outer + 1);
        let result = self.visit(&comprehension.result)?;
        self.locals.truncate(outer);
        self.comprehensions -= usize::from(is_loop);
        Ok(result)
    }

    /// The type that all members fit; any, where there is none: [`Checker::check_aggregates`] refuses those.
    fn join(&mut self, members: &[(u64, Type)]) -> Type {
        let mut members = members.iter().map(|(_, found)| found);
        let Some(mut joined) = members.next().cloned() else { return self.known.fresh() };
        for found in members {
            joined = if self.known.fit(found, &joined) { most_general(&joined, found) } else { Type::Dyn };
        }
        joined
    }

    fn keep(&mut self, members: Vec<(u64, Type)>) {
        if self.within_format == 0 {
            self.aggregates.push(members);
        }
    }

    /// That what stands in one literal is of one type. Kubernetes checks this last, when all types are known.
    fn check_aggregates(&self) -> Result<(), Fault> {
        for members in &self.aggregates {
            let mut types = members.iter().map(|(id, found)| (*id, self.known.apply(found, true)));
            let Some((_, first)) = types.next() else { continue };
            if let Some((id, other)) = types.find(|(_, other)| *other != first) {
                let message =
                    format!("of type {other} beside one of type {first}: a literal has members of one type");
                return Err(Fault { id, message });
            }
        }
        Ok(())
    }

    fn check_formats(&self) -> Result<(), Fault> {
        for (id, template, args) in &self.formats {
            let args: Vec<Type> = args.iter().map(|arg| self.known.apply(arg, true)).collect();
            kubernetes::check_format(template, &args).map_err(|message| Fault { id: *id, message })?;
        }
        Ok(())
    }
}

/// What an optional holds, as `[?a]` and `{?k: a}` want one.
fn held(expr: &IdedExpr, found: Type) -> Found {
    match found {
        Type::Optional(held) => Ok(*held),
        Type::Dyn => Ok(Type::Dyn),
        other => Err(Fault::new(expr, format!("of type {other} where an optional is wanted"))),
    }
}

/// Arguments that are written out are tried when the expression is compiled: patterns, durations and timestamps.
fn check_literals(name: &str, target: Option<&IdedExpr>, args: &[IdedExpr]) -> Result<(), Fault> {
    let literal = |expr: Option<&IdedExpr>| match expr {
        Some(IdedExpr { id, expr: Expr::Literal(LiteralValue::String(text)) }) => {
            Some((*id, text.inner().to_owned()))
        }
        _ => None,
    };
    let pattern = if target.is_some() { args.first() } else { args.get(1) };
    match name {
        "matches" | "find" | "findAll" => match literal(pattern) {
            Some((id, text)) => Pattern::compile(&text).map(drop).map_err(|message| Fault {
                id,
                message: format!("{text:?} is not a valid pattern: {message}"),
            }),
            None => Ok(()),
        },
        "duration" | "timestamp" => {
            let Some(IdedExpr { id, expr: Expr::Literal(literal) }) = args.first() else { return Ok(()) };
            kubernetes::try_time(name, literal).map_err(|message| Fault { id: *id, message })
        }
        // Kubernetes converts literals when it compiles.
        "bool" | "bytes" | "double" | "int" | "string" | "uint" => {
            let [arg @ IdedExpr { id, expr: Expr::Literal(literal) }] = args else { return Ok(()) };
            match convert(name, arg, literal) {
                true => Ok(()),
                false => Err(Fault { id: *id, message: format!("does not convert to {name}") }),
            }
        }
        _ => Ok(()),
    }
}

/// Whether a literal converts.
fn convert(name: &str, arg: &IdedExpr, literal: &LiteralValue) -> bool {
    if name == "string" {
        return match literal {
            LiteralValue::Null => false,
            LiteralValue::Bytes(bytes) => std::str::from_utf8(bytes.inner()).is_ok(),
            _ => true,
        };
    }
    let Ok(environment) = &*library::ENVIRONMENT else { return false };
    let call = CallExpr { func_name: name.to_owned(), target: None, args: vec![arg.clone()] };
    let context = cel::Context::with_env(std::sync::Arc::clone(environment));
    cel::Value::resolve_val(&IdedExpr { id: arg.id, expr: Expr::Call(call) }, &context).is_ok()
}

fn type_of(literal: &LiteralValue) -> Type {
    match literal {
        LiteralValue::Boolean(_) => Type::Bool,
        LiteralValue::Bytes(_) => Type::Bytes,
        LiteralValue::Double(_) => Type::Double,
        LiteralValue::Int(_) => Type::Int,
        LiteralValue::Null => Type::Null,
        LiteralValue::String(_) => Type::String,
        LiteralValue::UInt(_) => Type::Uint,
    }
}

/// `a.b.c` as one name.
fn qualified(expr: &IdedExpr) -> Option<String> {
    match &expr.expr {
        Expr::Ident(name) => Some(name.trim_start_matches('.').to_owned()),
        Expr::Select(select) if !select.test => {
            Some(format!("{}.{}", qualified(&select.operand)?, select.field))
        }
        _ => None,
    }
}

/// An operator as its author wrote it.
fn written(name: &str) -> String {
    match name {
        operators::INDEX | operators::OPT_INDEX => "[…]".to_owned(),
        operators::CONDITIONAL => "? :".to_owned(),
        operators::IN => "in".to_owned(),
        operator => operator.trim_matches('_').to_owned(),
    }
}
