//! Why an expression does not compile, and why it did not evaluate.

use cel::ExecutionError;
use thiserror::Error;

/// What is wrong with an expression, and where in it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message} (line {line}, column {column})")]
pub struct CompileError {
    /// What is wrong.
    pub message: String,
    /// The line in the expression, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

/// Why an expression gave no result.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EvaluationError {
    /// A field or a key was named that is not there.
    #[error("no such key: {0}")]
    NoSuchKey(String),
    /// A list has no such element.
    #[error("index out of bounds: {0}")]
    IndexOutOfBounds(String),
    /// An operator or a function does not take values of such types.
    #[error("{0}")]
    NoSuchOverload(String),
    /// A variable was named that this evaluation does not have.
    #[error("undeclared reference to '{0}'")]
    Undeclared(String),
    /// A function cannot do with these values what it does.
    #[error("{function}: {message}")]
    Function {
        /// The function.
        function: String,
        /// What it says.
        message: String,
    },
    /// An integer was divided by zero.
    #[error("division by zero")]
    DivisionByZero,
    /// A number is too large for its type.
    #[error("number out of range")]
    Overflow,
    /// The result is of another type than asked for.
    #[error("evaluates to {found}, must be {wanted}")]
    WrongType {
        /// The type of the result.
        found: String,
        /// The type asked for.
        wanted: &'static str,
    },
    /// The result is nothing that JSON can hold.
    #[error("a value of type {0} cannot be written as JSON")]
    NotJson(String),
    /// The evaluation needed more steps than its budget had.
    #[error("takes more steps than the {limit} that are allowed")]
    BudgetExhausted {
        /// The size of the budget.
        limit: u64,
    },
    /// The interpreter failed.
    #[error("internal: {0}")]
    Internal(String),
}

/// Bytes of the interpreter's own words: they can repeat what a user wrote.
const MAX_TEXT: usize = 256;

fn short(text: impl Into<String>) -> String {
    let mut text = text.into();
    if text.len() > MAX_TEXT {
        text.truncate(text.floor_char_boundary(MAX_TEXT));
        text.push('…');
    }
    text
}

/// The interpreter's text is kept only where it names no values.
impl From<ExecutionError> for EvaluationError {
    fn from(error: ExecutionError) -> Self {
        match error {
            ExecutionError::NoSuchKey(key) => Self::NoSuchKey(short(key.as_str())),
            ExecutionError::IndexOutOfBounds(cel::Value::Int(index)) => {
                Self::IndexOutOfBounds(index.to_string())
            }
            ExecutionError::IndexOutOfBounds(cel::Value::UInt(index)) => {
                Self::IndexOutOfBounds(index.to_string())
            }
            ExecutionError::IndexOutOfBounds(index) => Self::IndexOutOfBounds(index.type_of().to_string()),
            ExecutionError::NoSuchOverload(overload) => {
                Self::NoSuchOverload(short(overload.to_string().replace('@', "")))
            }
            ExecutionError::UnsupportedBinaryOperator(operator, left, right) => {
                Self::NoSuchOverload(format!(
                    "found no matching overload for '{operator}' applied to '({}, {})'",
                    left.type_of(),
                    right.type_of()
                ))
            }
            ExecutionError::ValuesNotComparable(left, right) => Self::NoSuchOverload(format!(
                "a {} does not compare with a {}",
                left.type_of(),
                right.type_of()
            )),
            ExecutionError::UnexpectedType { got, want } => {
                Self::NoSuchOverload(short(format!("a value of type {got} where {want} is wanted")))
            }
            ExecutionError::UnsupportedKeyType(key) => {
                Self::NoSuchOverload(format!("a value of type {} is no key", key.type_of()))
            }
            ExecutionError::UnsupportedIndex(index, _) => {
                Self::NoSuchOverload(format!("a value of type {} is no index", index.type_of()))
            }
            ExecutionError::UndeclaredReference(name) => Self::Undeclared(short(name.as_str())),
            ExecutionError::FunctionError { function, message } => {
                Self::Function { function: short(function), message: short(message) }
            }
            ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => Self::DivisionByZero,
            ExecutionError::Overflow(..) => Self::Overflow,
            ExecutionError::InvalidArgumentCount { expected, actual } => {
                Self::NoSuchOverload(format!("{actual} arguments where {expected} are wanted"))
            }
            ExecutionError::DuplicateKey(_) => {
                Self::Function { function: "map".to_owned(), message: "repeated key".to_owned() }
            }
            other => Self::Internal(short(other.to_string())),
        }
    }
}
