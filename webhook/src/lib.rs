//! The program: the admission webhook and the command line. I/O only; what is decided is decided in the pure packages.

pub mod audit;
pub mod cli;
mod cluster;
pub mod crds;
mod filter;
pub mod gate;
mod own_resources;
mod plain;
pub mod policies;
pub mod server;
pub mod source;
mod traces;
