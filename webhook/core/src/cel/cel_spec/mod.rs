//! cel-spec's simple tests: expressions, and what every implementation of CEL makes of them.
//!
//! All of them are run. What is not as cel-spec has it is listed with its reason in `tests/data/cel/cel-spec.yaml`, and
//! what is listed must differ: so the list is neither too short nor too long.

mod case;
mod tests;
mod text_format;
mod value;
