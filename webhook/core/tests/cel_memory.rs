//! An evaluation takes no more memory than its steps account for, whatever the object.
//!
//! What is counted are the bytes that are allocated, not the time: they are the same everywhere. The expressions are in
//! `data/cel/hostile.txt`, each tried by itself, in a list that keeps what it gives, and in a loop that passes over its
//! errors, and so goes on when the budget is exhausted.

use std::alloc::System;

use sallyport_admission::cel::{Budget, Expression, Names, Scope, Variables};
use serde_json::{Value, json};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// A tenth of what one request may take, for an object a tenth as large as one may be.
const STEPS: u64 = 100_000;
const BYTES_A_STEP: u64 = 256;
/// What may be allocated for no step: tables that are made once, and one copy whose steps are no longer there.
const FREE: u64 = 1 << 20;

/// What a user could send.
fn object() -> Value {
    let item = |n: usize| json!({"name": format!("n{n}"), "of": {"a": [1, 2], "b": "c"}});
    let list: Vec<Value> = (0..400).map(item).collect();
    let names: Vec<String> = (0..400).map(|n| format!("name-{n}")).collect();
    json!({"long": "x/".repeat(50_000), "list": list, "names": names, "few": [1, 2, 3]})
}

/// Variables hold copies of what they are given.
const VARIABLES: [(&str, &str); 4] = [
    ("text", "object.long"),
    ("list", "object.list"),
    ("map", "{'text': object.long, 'list': object.list}"),
    ("maybe", "optional.of(object.long)"),
];

/// The bytes that an evaluation allocates, and the steps that it takes.
fn cost(object: &Value, source: &str) -> (u64, u64) {
    let compile = |source: &str, names: &Names| {
        Expression::compile_value(source, names).unwrap_or_else(|error| panic!("{source}: {error}"))
    };
    let (mut names, mut definitions) = (Names::default(), Vec::new());
    for (name, source) in VARIABLES {
        let compiled = compile(source, &names);
        names = names.with_variable(name, &compiled);
        definitions.push((name.to_owned(), compiled));
    }
    let budget = Budget::new(STEPS);
    let scope = || Scope::new(&budget).object(object);
    let values = Variables::new(&definitions, scope());
    let scope = scope().variables(&values);
    let named = "[has(variables.text), has(variables.list), has(variables.map), has(variables.maybe)] == []";
    assert_eq!(compile(named, &names).evaluate_bool(&scope), Ok(false));

    let expression = compile(source, &names);
    let before = budget.spent();
    let region = Region::new(ALLOCATOR);
    let _ = expression.evaluate_bool(&scope);
    let allocated = u64::try_from(region.change().bytes_allocated).expect("a size is a u64");
    (allocated, budget.spent() - before)
}

#[test]
fn an_evaluation_allocates_no_more_than_its_steps_account_for() {
    let object = object();
    let (mut count, mut wrong) = (0, Vec::new());
    let sources = include_str!("data/cel/hostile.txt").lines();
    for source in sources.filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let kept = format!("object.list.map(i, {source})");
        let passed_over = format!("object.names.all(i, type({source}) == int || true)");
        for source in [source.to_owned(), kept, passed_over] {
            count += 1;
            let (allocated, steps) = cost(&object, &source);
            if allocated > FREE + steps * BYTES_A_STEP {
                wrong.push(format!("{allocated} bytes for {steps} steps: {source}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count > 400, "only {count}");
}
