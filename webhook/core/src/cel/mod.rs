//! CEL as Kubernetes evaluates it, over untyped objects, in bounded time.
//!
//! Objects are borrowed and looked into only where an expression looks. There are the standard functions, optionals
//! (`a.?b`, `a[?b]`, `orValue`, `optMap`), the strings extension and cel-go's lists extension. Kubernetes' own
//! libraries are not there yet (quantities, regex `find`, URLs, IP addresses and CIDRs, semantic versions, sets, its
//! list functions such as `isSorted`, two-variable comprehensions, durations and timestamps), nor are `params` and
//! `authorizer`: an expression that names any of them does not compile.
//!
//! Bounded: an expression's length and nesting when it is compiled, its steps by a [`Budget`] when it is evaluated.

mod budget;
mod checks;
mod equality;
mod error;
mod expression;
mod functions;
mod json_list;
mod json_map;
mod json_value;
mod library;
mod metering;
mod reads;
mod result;
mod scope;

#[cfg(test)]
mod tests;

pub use budget::Budget;
pub use error::{CompileError, EvaluationError};
pub use expression::{Expression, MAX_EXPRESSION_LENGTH};
pub use scope::{Scope, Variable};
