//! A compiled expression.

use std::collections::BTreeSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use cel::common::ast::SourceInfo;
use cel::common::types::{CelBool, CelString};
use cel::common::value::Val;
use cel::context::VariableResolver;
use cel::{Context, Env, ExecutionError, IdedExpr, ParseErrors};
use serde_json::Value;

use super::checks::{self, Returns};
use super::error::{CompileError, EvaluationError};
use super::library::ENVIRONMENT;
use super::metering;
use super::names::Names;
use super::reads::reads;
use super::result::to_json;
use super::scope::{Scope, Variable};
use super::types::Type;
use crate::object::Reads;

/// Bytes of an expression.
pub const MAX_EXPRESSION_LENGTH: usize = 4096;

/// A CEL expression, compiled once and evaluated often.
pub struct Expression {
    source: String,
    metered: IdedExpr,
    variables: BTreeSet<Variable>,
    result: Type,
    reads: Reads,
    environment: Arc<Env>,
}

impl Expression {
    /// Compiles a condition, which can name `object`, `oldObject`, `request` and `namespaceObject`.
    ///
    /// # Errors
    /// When the source is longer than [`MAX_EXPRESSION_LENGTH`], is no CEL, names a variable or a function that does
    /// not exist, has types that don't fit or a malformed pattern, is nested too deeply, or is not known to evaluate
    /// to a bool.
    pub fn compile(source: &str) -> Result<Self, CompileError> {
        Self::compile_for(source, Returns::Bool, &Names::default())
    }

    /// Compiles a condition that can name what is in `names` as well.
    ///
    /// # Errors
    /// As [`Expression::compile`].
    pub fn compile_with(source: &str, names: &Names) -> Result<Self, CompileError> {
        Self::compile_for(source, Returns::Bool, names)
    }

    /// Compiles what a message says; as [`Expression::compile_with`], but for a string.
    ///
    /// # Errors
    /// As [`Expression::compile`], or when it is not known to evaluate to a string.
    pub fn compile_message(source: &str, names: &Names) -> Result<Self, CompileError> {
        Self::compile_for(source, Returns::String, names)
    }

    /// Compiles an expression that may evaluate to anything.
    ///
    /// # Errors
    /// As [`Expression::compile`], except for the result.
    pub fn compile_value(source: &str, names: &Names) -> Result<Self, CompileError> {
        Self::compile_for(source, Returns::Anything, names)
    }

    fn compile_for(source: &str, returns: Returns, names: &Names) -> Result<Self, CompileError> {
        let at_start = |message: String| CompileError { message, line: 1, column: 1 };
        if source.len() > MAX_EXPRESSION_LENGTH {
            return Err(at_start(format!("longer than {MAX_EXPRESSION_LENGTH} bytes")));
        }
        let environment = ENVIRONMENT.as_ref().map_err(|error| at_start(error.to_string()))?;
        // The parser is generated and large: should it panic, that is a bad expression, not the end of the program.
        let parsed = catch_unwind(AssertUnwindSafe(|| environment.parser().parse_with_source_info(source)))
            .map_err(|_| at_start("the parser cannot read it".to_owned()))?;
        let (expr, positions) = parsed.map_err(|errors| syntax_error(&errors))?;
        let checked = checks::check(&expr, returns, names).map_err(|fault| {
            let (line, column) = position(source, &positions, fault.id);
            CompileError { message: fault.message, line, column }
        })?;
        let reads = reads(&expr);
        Ok(Self {
            source: source.to_owned(),
            reads,
            metered: metering::meter(expr),
            variables: checked.variables,
            result: checked.result,
            environment: Arc::clone(environment),
        })
    }

    /// The expression as written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The variables that it names.
    #[must_use]
    pub fn variables(&self) -> &BTreeSet<Variable> {
        &self.variables
    }

    /// The type of what it gives.
    pub(super) fn result(&self) -> &Type {
        &self.result
    }

    /// The metadata of `object` and `oldObject` that it reads.
    pub(crate) fn reads(&self) -> &Reads {
        &self.reads
    }

    /// Whether the condition holds.
    ///
    /// # Errors
    /// When evaluation fails, exhausts the scope's budget, or gives anything but a bool.
    pub fn evaluate_bool(&self, scope: &Scope<'_>) -> Result<bool, EvaluationError> {
        self.evaluate_with(scope, |value| {
            value.downcast_ref::<CelBool>().map(|bool| *bool.inner()).ok_or_else(|| wrong_type(value, "bool"))
        })
    }

    /// The message.
    ///
    /// # Errors
    /// When evaluation fails, exhausts the scope's budget, or gives anything but a string.
    pub fn evaluate_string(&self, scope: &Scope<'_>) -> Result<String, EvaluationError> {
        self.evaluate_with(scope, |value| {
            let string = value.downcast_ref::<CelString<'_>>();
            string.map(|string| string.inner().to_owned()).ok_or_else(|| wrong_type(value, "string"))
        })
    }

    /// The result as JSON. An optional is what it holds, or null.
    ///
    /// # Errors
    /// When evaluation fails, exhausts the scope's budget, or gives what JSON cannot hold (bytes, types, NaN).
    pub fn evaluate_value(&self, scope: &Scope<'_>) -> Result<Value, EvaluationError> {
        self.evaluate_with(scope, |value| to_json(value, scope.budget()))
    }

    fn evaluate_with<T>(
        &self,
        scope: &Scope<'_>,
        read: impl FnOnce(&dyn Val) -> Result<T, EvaluationError>,
    ) -> Result<T, EvaluationError> {
        let evaluate = || -> Result<T, EvaluationError> { self.resolve(scope, |value| Ok(read(value)))? };
        // None is known that could panic; should there be one, it must cost this answer only.
        let outcome = catch_unwind(AssertUnwindSafe(evaluate))
            .unwrap_or_else(|_| Err(EvaluationError::Internal("the interpreter panicked".to_owned())));
        // `||` and `?.` pass over errors, this one as well: the answer would depend on where the budget ran out.
        if scope.budget().is_exhausted() {
            return Err(EvaluationError::BudgetExhausted { limit: scope.budget().spent() });
        }
        // A key that the expression (or the variable that failed) does not name is a value of the object, and those are
        // not told.
        outcome.map_err(|error| match error {
            EvaluationError::NoSuchKey(key) if !self.source.contains(&key) && !scope.misses(&key) => {
                EvaluationError::NoSuchKey("one that the expression computes".to_owned())
            }
            other => other,
        })
    }

    /// Evaluates to what `read` makes of the result.
    pub(super) fn resolve<T>(
        &self,
        scope: &dyn VariableResolver,
        read: impl FnOnce(&dyn Val) -> Result<T, ExecutionError>,
    ) -> Result<T, ExecutionError> {
        let mut context = Context::with_env(Arc::clone(&self.environment));
        context.set_variable_resolver(scope);
        read(cel::Value::resolve_val(&self.metered, &context)?.as_ref())
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expression")
            .field("source", &self.source)
            .field("variables", &self.variables)
            .finish()
    }
}

fn wrong_type(value: &dyn Val, wanted: &'static str) -> EvaluationError {
    EvaluationError::WrongType { found: value.get_type().name().to_owned(), wanted }
}

/// The first of the parser's errors: the others follow from it.
fn syntax_error(errors: &ParseErrors) -> CompileError {
    let natural = |number: isize| usize::try_from(number).unwrap_or(0).max(1);
    match errors.errors.first() {
        Some(first) => CompileError {
            message: first.msg.clone(),
            line: natural(first.pos.0),
            column: natural(first.pos.1),
        },
        None => CompileError { message: "no expression".to_owned(), line: 1, column: 1 },
    }
}

/// Line and column of a part of the expression, both from 1.
fn position(source: &str, positions: &SourceInfo, id: u64) -> (usize, usize) {
    let offset = positions.offset_for(id).and_then(|(start, _)| usize::try_from(start).ok()).unwrap_or(0);
    let (mut line, mut column) = (1, 1);
    for (_, character) in source.char_indices().take_while(|(at, _)| *at < offset) {
        if character == '\n' {
            (line, column) = (line + 1, 1);
        } else {
            column += 1;
        }
    }
    (line, column)
}
