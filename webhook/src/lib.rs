//! The program: admission webhook and command line.

pub mod source;
