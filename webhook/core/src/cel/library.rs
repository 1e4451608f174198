//! What an expression may call: the standard functions, optionals, and the strings and lists extensions.

use std::sync::{Arc, LazyLock};

use cel::common::ast::Expr;
use cel::{DeclarationError, Env, IdedExpr, extensions};

use super::functions;

/// The environment of all expressions, made once.
pub(super) static ENVIRONMENT: LazyLock<Result<Arc<Env>, DeclarationError>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    env.add_extension(extensions::strings)?;
    env.add_extension(extensions::lists)?;
    env.add_extension(functions::declare)?;
    Ok(Arc::new(env))
});

/// What a call spends beyond being made. Weights are steps per unit of size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cost {
    /// By the size of the arguments, where the call is repeated.
    Size(i64),
    /// By the size of the arguments, wherever it is called: what it makes takes far more memory than they do.
    Always(i64),
    /// As `Always`, with lists within lists.
    Deep(i64),
    /// As `Deep`, times the length of the list.
    Pairs(i64),
    /// By the number given.
    Count(i64),
}

/// A function: its name as called, qualified where it has a namespace, and its cost; `None` when it takes no time to
/// speak of whatever it is given.
type Function = (&'static str, Option<Cost>);

/// In the order of their names.
const FUNCTIONS: &[Function] = &[
    ("bool", None),
    ("bytes", Some(Cost::Size(1))),
    ("charAt", Some(Cost::Size(1))),
    ("contains", Some(Cost::Size(1))),
    ("distinct", Some(Cost::Pairs(1))),
    ("double", Some(Cost::Size(1))),
    ("dyn", None),
    ("endsWith", None),
    ("flatten", Some(Cost::Deep(1))),
    ("format", Some(Cost::Deep(4))),
    ("hasValue", None),
    ("indexOf", Some(Cost::Size(4))),
    ("int", Some(Cost::Size(1))),
    ("join", Some(Cost::Size(1))),
    ("lastIndexOf", Some(Cost::Size(4))),
    ("lists.range", Some(Cost::Count(1))),
    ("lowerAscii", Some(Cost::Size(1))),
    ("matches", Some(Cost::Size(1))),
    ("optional.none", None),
    ("optional.of", None),
    ("optional.ofNonZeroValue", None),
    ("or", None),
    ("orValue", None),
    ("replace", Some(Cost::Size(1))),
    ("reverse", Some(Cost::Always(1))),
    ("size", Some(Cost::Size(1))),
    ("slice", Some(Cost::Size(1))),
    ("sort", Some(Cost::Deep(20))),
    // One string for each character, at worst.
    ("split", Some(Cost::Always(64))),
    ("startsWith", None),
    ("string", Some(Cost::Size(1))),
    ("strings.quote", Some(Cost::Size(1))),
    ("substring", Some(Cost::Size(2))),
    ("trim", Some(Cost::Size(1))),
    ("type", None),
    ("uint", Some(Cost::Size(1))),
    ("upperAscii", Some(Cost::Size(1))),
    ("value", None),
];

/// What macros expand to.
const EXPANSIONS: &[Function] = &[("@sortByAssociatedKeys", Some(Cost::Deep(20)))];

/// The types that an expression can name, as in `type(x) == string`.
const TYPES: &[&str] = &[
    "bool",
    "bytes",
    "double",
    "int",
    "list",
    "map",
    "null_type",
    "optional_type",
    "string",
    "type",
    "uint",
];

const NAMESPACES: &[&str] = &["lists", "optional", "strings"];

/// What a call of the function spends beyond being made.
pub(super) fn cost(name: &str) -> Option<Cost> {
    FUNCTIONS.iter().chain(EXPANSIONS).find(|(known, _)| *known == name).and_then(|(_, cost)| *cost)
}

/// Steps that a call takes whatever it is given. The interpreter compiles a pattern anew each time.
pub(super) fn fixed_cost(name: &str) -> i64 {
    if name == "matches" { 600 } else { 0 }
}

/// Whether there is such a function; a qualified one goes by its qualified name.
pub(super) fn is_function(name: &str) -> bool {
    FUNCTIONS.iter().chain(EXPANSIONS).any(|(known, _)| *known == name)
}

/// Whether an expression can name such a type.
pub(super) fn is_type(name: &str) -> bool {
    TYPES.contains(&name)
}

/// The name of the function that `namespace.function()` calls; `None` for a call on a value.
pub(super) fn qualified_name(target: Option<&IdedExpr>, function: &str) -> Option<String> {
    match target.map(|target| &target.expr) {
        Some(Expr::Ident(namespace)) if NAMESPACES.contains(&namespace.as_str()) => {
            Some(format!("{namespace}.{function}"))
        }
        _ => None,
    }
}

#[cfg(test)]
pub(super) fn functions() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.iter().map(|(name, _)| *name)
}
