//! Starts the real servers that the integration tests talk to, on free loopback ports, and ends them with the
//! test process however that ends.
//!
//! The programs are the ones that `make tools` puts into the cache; nothing is downloaded here.

mod access;
pub mod audit;
pub mod control_plane;
pub mod eventually;
pub mod examples;
mod flags;
pub mod foreign_webhook;
pub mod log;
pub mod mesh;
pub mod metrics;
pub mod objects;
pub mod pki;
pub mod process;
pub mod programs;
pub mod proxy;
pub mod registration;
pub mod replica;
pub mod run_dir;
pub mod tls;
pub mod tokens;
pub mod webhook;
