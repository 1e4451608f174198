//! What an expression may call: the standard functions, optionals, cel-go's extensions and Kubernetes' libraries, with
//! what they take, what they give and what they cost.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use cel::common::ast::Expr;
use cel::{DeclarationError, Env, IdedExpr, extensions};

use super::signatures::Signature;
use super::types::Type;
use super::{functions, kubernetes};

/// The environment of all expressions, made once.
pub(super) static ENVIRONMENT: LazyLock<Result<Arc<Env>, DeclarationError>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    env.add_extension(extensions::strings)?;
    env.add_extension(extensions::lists)?;
    env.add_extension(functions::declare)?;
    env.add_extension(kubernetes::declare)?;
    // As in Kubernetes, the last of them holds.
    env.set_error_on_duplicate_map_keys(false);
    Ok(Arc::new(env))
});

/// What a call spends beyond being made. Weights are steps per unit of size. Of a call on a value the cost is that of
/// the value; its arguments cost their size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cost {
    /// By the size of the arguments.
    Size(i64),
    /// By the size of the arguments and what copying their elements takes.
    Copies,
    /// By the size of the arguments of a call on a value, whatever the size of the value.
    Rest,
    /// As `Size`, with lists within lists.
    Deep(i64),
    /// As `Deep`, times the length of the list.
    Pairs(i64),
    /// What copying its arguments takes, where they are kept by somebody else: into the result, or into an error.
    Keeps,
    /// What it says itself: the call becomes one of `@name`, which is given the budget before its arguments.
    Counts,
}

/// A function: its name as called, qualified where it has a namespace; its cost, `None` when it takes no time to speak
/// of whatever it is given; and the ways to call it, as [`Signature::parse`] reads them. What stands in several
/// libraries is one function with all their signatures.
pub(super) struct Function {
    name: &'static str,
    cost: Option<Cost>,
    signatures: &'static [&'static str],
}

impl Function {
    pub(super) const fn new(
        name: &'static str,
        cost: Option<Cost>,
        signatures: &'static [&'static str],
    ) -> Self {
        Self { name, cost, signatures }
    }

    /// One that counts what it takes itself.
    pub(super) const fn counting(name: &'static str, signatures: &'static [&'static str]) -> Self {
        Self::new(name, Some(Cost::Counts), signatures)
    }
}

const ORDER: &[&str] = &[
    "(bool, bool) bool",
    "(int, int) bool",
    "(int, double) bool",
    "(int, uint) bool",
    "(uint, uint) bool",
    "(uint, double) bool",
    "(uint, int) bool",
    "(double, double) bool",
    "(double, int) bool",
    "(double, uint) bool",
    "(string, string) bool",
    "(bytes, bytes) bool",
    "(timestamp, timestamp) bool",
    "(duration, duration) bool",
];

const OPERATORS: &[Function] = &[
    Function::new("_?_:_", None, &["(bool, A, A) A"]),
    Function::new("_&&_", None, &["(bool, bool) bool"]),
    Function::new("_||_", None, &["(bool, bool) bool"]),
    Function::new("!_", None, &["(bool) bool"]),
    Function::new("@not_strictly_false", None, &["(bool) bool"]),
    Function::new("_==_", None, &["(A, A) bool"]),
    Function::new("_!=_", None, &["(A, A) bool"]),
    Function::new("_<_", Some(Cost::Size(1)), ORDER),
    Function::new("_<=_", Some(Cost::Size(1)), ORDER),
    Function::new("_>_", Some(Cost::Size(1)), ORDER),
    Function::new("_>=_", Some(Cost::Size(1)), ORDER),
    Function::new(
        "_+_",
        Some(Cost::Copies),
        &[
            "(bytes, bytes) bytes",
            "(double, double) double",
            "(duration, duration) duration",
            "(duration, timestamp) timestamp",
            "(timestamp, duration) timestamp",
            "(int, int) int",
            "(list(A), list(A)) list(A)",
            "(string, string) string",
            "(uint, uint) uint",
        ],
    ),
    Function::new(
        "_-_",
        Some(Cost::Keeps),
        &[
            "(double, double) double",
            "(duration, duration) duration",
            "(int, int) int",
            "(timestamp, duration) timestamp",
            "(timestamp, timestamp) duration",
            "(uint, uint) uint",
        ],
    ),
    Function::new(
        "_*_",
        Some(Cost::Keeps),
        &["(double, double) double", "(int, int) int", "(uint, uint) uint"],
    ),
    Function::new(
        "_/_",
        Some(Cost::Keeps),
        &["(double, double) double", "(int, int) int", "(uint, uint) uint"],
    ),
    Function::new("_%_", Some(Cost::Keeps), &["(int, int) int", "(uint, uint) uint"]),
    Function::new("-_", Some(Cost::Keeps), &["(double) double", "(int) int"]),
    Function::new("@in", None, &["(A, list(A)) bool", "(A, map(A, B)) bool"]),
    Function::new(
        "_[_]",
        None,
        &[
            "(list(A), int) A",
            "(map(A, B), A) B",
            "(optional(list(V)), int) optional(V)",
            "(optional(map(K, V)), K) optional(V)",
        ],
    ),
    Function::new(
        "_[?_]",
        None,
        &[
            "(list(V), int) optional(V)",
            "(optional(list(V)), int) optional(V)",
            "(map(K, V), K) optional(V)",
            "(optional(map(K, V)), K) optional(V)",
        ],
    ),
];

/// The standard functions, optionals, and the strings and lists extensions, in the order of their names.
const FUNCTIONS: &[Function] = &[
    Function::new("bool", Some(Cost::Size(1)), &["(bool) bool", "(string) bool"]),
    Function::new("bytes", Some(Cost::Size(1)), &["(bytes) bytes", "(string) bytes"]),
    Function::new("charAt", Some(Cost::Size(1)), &["string.(int) string"]),
    Function::new("contains", Some(Cost::Size(1)), &["string.(string) bool"]),
    Function::new("distinct", Some(Cost::Pairs(1)), &["list(T).() list(T)"]),
    Function::new(
        "double",
        Some(Cost::Size(1)),
        &["(double) double", "(int) double", "(string) double", "(uint) double"],
    ),
    Function::new("dyn", None, &["(A) dyn"]),
    Function::new("endsWith", Some(Cost::Rest), &["string.(string) bool"]),
    Function::new("flatten", Some(Cost::Deep(1)), &["list(list(T)).() list(T)", "list(dyn).(int) list(dyn)"]),
    Function::new("hasValue", None, &["optional(V).() bool"]),
    Function::new("int", Some(Cost::Size(1)), &["(int) int", "(double) int", "(string) int", "(uint) int"]),
    Function::counting("join", &["list(string).() string", "list(string).(string) string"]),
    Function::new("lowerAscii", Some(Cost::Size(1)), &["string.() string"]),
    Function::new("optional.none", None, &["() optional(V)"]),
    Function::new("optional.of", Some(Cost::Keeps), &["(V) optional(V)"]),
    Function::new("optional.ofNonZeroValue", Some(Cost::Keeps), &["(V) optional(V)"]),
    Function::new("or", Some(Cost::Keeps), &["optional(V).(optional(V)) optional(V)"]),
    Function::new("orValue", Some(Cost::Keeps), &["optional(V).(V) V"]),
    Function::counting("replace", &["string.(string, string) string", "string.(string, string, int) string"]),
    Function::new(
        "size",
        Some(Cost::Size(1)),
        &[
            "(bytes) int",
            "bytes.() int",
            "(list(A)) int",
            "list(A).() int",
            "(map(A, B)) int",
            "map(A, B).() int",
            "(string) int",
            "string.() int",
        ],
    ),
    Function::new("slice", Some(Cost::Copies), &["list(T).(int, int) list(T)"]),
    Function::new("sort", Some(Cost::Deep(20)), &["list(@comparable).() list(@comparable)"]),
    // What sortBy expands to.
    Function::new("@sortByAssociatedKeys", Some(Cost::Deep(20)), &["list(T).(list(@comparable)) list(T)"]),
    // One string for each character, at worst.
    Function::new(
        "split",
        Some(Cost::Size(64)),
        &["string.(string) list(string)", "string.(string, int) list(string)"],
    ),
    Function::new("startsWith", Some(Cost::Rest), &["string.(string) bool"]),
    Function::counting(
        "string",
        &[
            "(string) string",
            "(bool) string",
            "(bytes) string",
            "(double) string",
            "(int) string",
            "(uint) string",
        ],
    ),
    Function::new("strings.quote", Some(Cost::Size(1)), &["(string) string"]),
    Function::new("substring", Some(Cost::Size(2)), &["string.(int) string", "string.(int, int) string"]),
    Function::new("trim", Some(Cost::Size(1)), &["string.() string"]),
    Function::new("type", None, &["(A) type(A)"]),
    Function::new(
        "uint",
        Some(Cost::Size(1)),
        &["(uint) uint", "(double) uint", "(int) uint", "(string) uint"],
    ),
    Function::new("upperAscii", Some(Cost::Size(1)), &["string.() string"]),
    Function::new("value", Some(Cost::Keeps), &["optional(V).() V"]),
];

/// What is known of a function.
pub(super) struct Known {
    pub(super) cost: Option<Cost>,
    pub(super) signatures: Vec<Signature>,
}

static KNOWN: LazyLock<BTreeMap<&'static str, Known>> = LazyLock::new(|| {
    let mut known = BTreeMap::new();
    let all = [OPERATORS, FUNCTIONS].into_iter().chain(kubernetes::FUNCTIONS.iter().copied());
    for function in all.flatten() {
        let entry =
            known.entry(function.name).or_insert_with(|| Known { cost: None, signatures: Vec::new() });
        if entry.cost.is_none() || function.cost == Some(Cost::Counts) {
            entry.cost = function.cost;
        }
        entry.signatures.extend(function.signatures.iter().flat_map(|text| Signature::parse_all(text)));
    }
    known
});

/// The function of that name; a qualified one goes by its qualified name.
pub(super) fn function(name: &str) -> Option<&'static Known> {
    KNOWN.get(name)
}

/// What a call of the function spends beyond being made.
pub(super) fn cost(name: &str) -> Option<Cost> {
    function(name).and_then(|known| known.cost)
}

/// The type that a name stands for, as in `type(x) == string`; `None` if it is the name of none. As in Kubernetes, those
/// of an optional and of a type itself have no part, and so are of another type than any `type(x)`.
pub(super) fn type_named(name: &str) -> Option<Type> {
    Some(match name {
        "bool" => Type::Bool,
        "bytes" => Type::Bytes,
        "double" => Type::Double,
        "google.protobuf.Duration" => Type::Duration,
        "google.protobuf.Timestamp" => Type::Timestamp,
        "int" => Type::Int,
        "list" => Type::list(Type::Dyn),
        "map" => Type::map(Type::Dyn, Type::Dyn),
        "net.CIDR" => Type::Opaque("net.CIDR"),
        "net.IP" => Type::Opaque("net.IP"),
        "null_type" => Type::Null,
        "optional_type" => Type::Opaque("optional_type"),
        "string" => Type::String,
        "type" => Type::Opaque("type"),
        "uint" => Type::Uint,
        _ => return None,
    })
}

/// The name of the function that `namespace.function()` calls; `None` for a call on a value. As in Kubernetes, a
/// function of that name comes before a variable that is called as its namespace.
pub(super) fn qualified_name(target: Option<&IdedExpr>, function: &str) -> Option<String> {
    match target.map(|target| &target.expr) {
        Some(Expr::Ident(namespace)) => {
            let name = format!("{}.{function}", namespace.trim_start_matches('.'));
            KNOWN.contains_key(name.as_str()).then_some(name)
        }
        _ => None,
    }
}

#[cfg(test)]
pub(super) fn functions() -> impl Iterator<Item = (&'static str, usize, usize)> {
    let all = [OPERATORS, FUNCTIONS].into_iter().chain(kubernetes::FUNCTIONS.iter().copied()).flatten();
    all.map(|function| {
        let read: usize = function.signatures.iter().map(|text| Signature::parse_all(text).len()).sum();
        (function.name, function.signatures.len(), read)
    })
}
