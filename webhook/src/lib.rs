//! The program: admission webhook and command line.

pub mod server;
pub mod source;
