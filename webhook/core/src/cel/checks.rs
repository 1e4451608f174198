//! What is refused when an expression is compiled: names that nothing has, results of the wrong type, and nesting
//! deeper than the stack should bear.

use std::collections::BTreeSet;

use cel::common::ast::{EntryExpr, Expr, LiteralValue, operators};
use cel::common::types::CelString;
use cel::{Context, IdedExpr};

use super::library;
use super::scope::Variable;

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
    fn accepts(self, type_name: &str) -> bool {
        match self {
            Self::Bool => type_name == "bool",
            Self::String => type_name == "string",
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

/// The variables that the expression names.
pub(super) fn check(
    expr: &IdedExpr,
    returns: Returns,
    matcher: &Context<'_, '_>,
) -> Result<BTreeSet<Variable>, Fault> {
    let mut checker =
        Checker { variables: BTreeSet::new(), locals: Vec::new(), depth: 0, comprehensions: 0, matcher };
    checker.visit(expr)?;
    match result_type(expr) {
        Some(found) if !returns.accepts(found) => {
            Err(Fault::new(expr, format!("evaluates to {found}, must be {}", returns.name())))
        }
        _ => Ok(checker.variables),
    }
}

struct Checker<'e, 'c> {
    variables: BTreeSet<Variable>,
    /// The variables of the comprehensions around the part that is visited.
    locals: Vec<&'e str>,
    depth: usize,
    comprehensions: usize,
    matcher: &'c Context<'c, 'c>,
}

impl<'e> Checker<'e, '_> {
    fn visit(&mut self, expr: &'e IdedExpr) -> Result<(), Fault> {
        if self.depth == MAX_DEPTH {
            return Err(Fault::new(expr, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        self.depth += 1;
        self.visit_parts(expr)?;
        self.depth -= 1;
        Ok(())
    }

    fn visit_all(&mut self, exprs: &'e [IdedExpr]) -> Result<(), Fault> {
        exprs.iter().try_for_each(|expr| self.visit(expr))
    }

    fn visit_parts(&mut self, expr: &'e IdedExpr) -> Result<(), Fault> {
        match &expr.expr {
            Expr::Literal(_) => Ok(()),
            Expr::Ident(name) => self.visit_name(expr, name),
            Expr::Select(select) => self.visit(&select.operand),
            Expr::List(list) => self.visit_all(&list.elements),
            Expr::Map(map) => map.entries.iter().try_for_each(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => {
                    self.visit(&entry.key)?;
                    self.visit(&entry.value)
                }
                EntryExpr::StructField(_) => Err(Fault::new(expr, "a map has keys, not fields")),
            }),
            Expr::Call(call) => {
                if !is_operator(&call.func_name) {
                    let qualified = library::qualified_name(call.target.as_deref(), &call.func_name);
                    let name = qualified.as_deref().unwrap_or(&call.func_name);
                    if !library::is_function(name) {
                        return Err(Fault::new(expr, format!("no such function: {name}")));
                    }
                    if name == "matches" {
                        self.check_pattern(&call.args)?;
                    }
                    if let (None, Some(target)) = (qualified, &call.target) {
                        self.visit(target)?;
                    }
                }
                self.visit_all(&call.args)
            }
            Expr::Comprehension(comprehension) => {
                self.visit(&comprehension.iter_range)?;
                self.visit(&comprehension.accu_init)?;
                // A variable that is bound (optMap, sortBy) is no loop.
                let is_loop =
                    !matches!(&comprehension.iter_range.expr, Expr::List(list) if list.elements.is_empty());
                self.comprehensions += usize::from(is_loop);
                if self.comprehensions > MAX_NESTED_COMPREHENSIONS {
                    let message =
                        format!("more than {MAX_NESTED_COMPREHENSIONS} comprehensions within each other");
                    return Err(Fault::new(expr, message));
                }
                let outer = self.locals.len();
                self.locals.push(&comprehension.accu_var);
                self.visit(&comprehension.result)?;
                self.locals.push(&comprehension.iter_var);
                self.locals.extend(comprehension.iter_var2.as_deref());
                self.visit(&comprehension.loop_cond)?;
                self.visit(&comprehension.loop_step)?;
                self.locals.truncate(outer);
                self.comprehensions -= usize::from(is_loop);
                Ok(())
            }
            Expr::Struct(message) => Err(Fault::new(expr, format!("no such type: {}", message.type_name))),
            Expr::Unspecified => Err(Fault::new(expr, "empty expression")),
        }
    }

    fn visit_name(&mut self, expr: &IdedExpr, name: &str) -> Result<(), Fault> {
        // A leading dot passes over the variables of comprehensions.
        let (name, is_local) = match name.strip_prefix('.') {
            Some(absolute) => (absolute, false),
            None => (name, self.locals.contains(&name)),
        };
        if is_local || library::is_type(name) {
            return Ok(());
        }
        match Variable::named(name) {
            Some(variable) => {
                self.variables.insert(variable);
                Ok(())
            }
            None => {
                let known = Variable::ALL.map(Variable::name).join(", ");
                Err(Fault::new(expr, format!("no such variable: {name} (there are {known})")))
            }
        }
    }

    /// Whether the interpreter would take the pattern, where it is written out.
    fn check_pattern(&self, args: &'e [IdedExpr]) -> Result<(), Fault> {
        let Some(pattern) = args.last() else { return Ok(()) };
        let Expr::Literal(LiteralValue::String(_)) = &pattern.expr else { return Ok(()) };
        let text = IdedExpr { id: 0, expr: Expr::Literal(LiteralValue::String(CelString::from(""))) };
        let call = cel::common::ast::CallExpr {
            func_name: "matches".to_owned(),
            target: Some(Box::new(text)),
            args: vec![pattern.clone()],
        };
        match cel::Value::resolve(&IdedExpr { id: 0, expr: Expr::Call(call) }, self.matcher) {
            Err(cel::ExecutionError::FunctionError { message, .. }) => Err(Fault::new(pattern, message)),
            _ => Ok(()),
        }
    }
}

fn is_operator(name: &str) -> bool {
    name.starts_with(['_', '!', '-']) || name == operators::IN || name == operators::NOT_STRICTLY_FALSE
}

/// The type of the result, where it can be seen.
fn result_type(expr: &IdedExpr) -> Option<&'static str> {
    match &expr.expr {
        Expr::Literal(literal) => Some(match literal {
            LiteralValue::Boolean(_) => "bool",
            LiteralValue::Bytes(_) => "bytes",
            LiteralValue::Double(_) => "double",
            LiteralValue::Int(_) => "int",
            LiteralValue::Null => "null_type",
            LiteralValue::String(_) => "string",
            LiteralValue::UInt(_) => "uint",
        }),
        Expr::List(_) => Some("list"),
        Expr::Map(_) => Some("map"),
        Expr::Select(select) if select.test => Some("bool"),
        Expr::Call(call) => match call.func_name.as_str() {
            operators::CONDITIONAL => match call.args.as_slice() {
                [_, yes, no] => result_type(yes).filter(|found| result_type(no) == Some(*found)),
                _ => None,
            },
            operators::EQUALS
            | operators::NOT_EQUALS
            | operators::LESS
            | operators::LESS_EQUALS
            | operators::GREATER
            | operators::GREATER_EQUALS
            | operators::LOGICAL_AND
            | operators::LOGICAL_OR
            | operators::LOGICAL_NOT
            | operators::IN
            | "contains"
            | "endsWith"
            | "hasValue"
            | "matches"
            | "startsWith" => Some("bool"),
            operators::OPT_SELECT | operators::OPT_INDEX => Some("optional_type"),
            "charAt" | "format" | "join" | "lowerAscii" | "replace" | "string" | "substring" | "trim"
            | "upperAscii" => Some("string"),
            "indexOf" | "int" | "lastIndexOf" | "size" => Some("int"),
            "distinct" | "flatten" | "slice" | "sort" | "split" => Some("list"),
            _ => None,
        },
        Expr::Comprehension(comprehension) => match &comprehension.result.expr {
            Expr::Ident(name) if *name == comprehension.accu_var => result_type(&comprehension.accu_init),
            _ => result_type(&comprehension.result),
        },
        _ => None,
    }
}
