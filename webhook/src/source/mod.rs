//! Kubernetes objects that people wrote: read from files, and pointed at line by line when something is wrong.
//!
//! [`read()`] turns files, folders and standard input into [`Document`]s: untyped values that remember where each of
//! their fields stands. [`decode()`] makes a type of one and reports every field that does not fit.
//! [`Reporter`] shows what was found, for people and for editors; [`Located::to_json`] for programs.
//!
//! What a scalar means follows Kubernetes' own reader (`sigs.k8s.io/yaml`) rather than YAML 1.2: see [`scalar`].

mod compose;
mod decode;
mod deserializer;
mod document;
mod error;
mod excerpt;
mod files;
mod locate;
mod order;
mod read;
mod report;
mod scalar;
mod spans;
mod text;

#[cfg(test)]
mod tests;

pub use decode::{decode, unknown_fields};
pub use document::{Document, parse};
pub use error::{ReadError, Unreadable};
pub use files::{SIZE_LIMIT, fingerprint, is_readable};
pub use locate::parse as parse_path;
pub use order::InOrder;
pub use read::{read, read_cases, read_each, read_from};
pub use report::{Colour, Located, Reporter, Tally};
pub use text::{Location, SourceText};
