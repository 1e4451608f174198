//! CEL as Kubernetes evaluates it, over untyped objects, in bounded time.
//!
//! Objects are borrowed and looked into only where an expression looks. There is what a ValidatingAdmissionPolicy of
//! Kubernetes 1.36 has: the standard functions, optionals, the strings, lists and sets extensions, comprehensions with
//! two variables, and Kubernetes' own libraries (see `kubernetes`). Types are checked as cel-go checks them, so that
//! what the API server refuses does not compile here either. `params` and `authorizer` are not there. What else differs
//! is listed in `tests/data/cel/expressions.yaml`, which holds both sides to one verdict for each expression.
//!
//! Bounded: an expression's length and nesting when it is compiled, its steps by a [`Budget`] when it is evaluated.

mod budget;
mod checks;
mod copying;
mod equality;
mod error;
mod expression;
mod functions;
mod json_list;
mod json_map;
mod json_value;
mod kubernetes;
mod lending;
mod library;
mod metering;
mod names;
mod reads;
mod result;
mod scope;
mod signatures;
mod types;
mod variables;

#[cfg(test)]
mod cel_spec;
#[cfg(test)]
mod steps;
#[cfg(test)]
mod table;
#[cfg(test)]
mod tests;

pub use budget::Budget;
pub use error::{CompileError, EvaluationError};
pub use expression::{Expression, MAX_EXPRESSION_LENGTH};
pub use names::Names;
pub use scope::{Scope, Variable};
pub use variables::Variables;
