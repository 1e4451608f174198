//! TrafficPolicy, and decisions about HTTP requests.
//!
//! Everything here is pure: no clock, no environment, no file system, no network, no proxy. Bytes, time and what the
//! proxy knows of a connection are arguments, so Envoy, the admission webhook and the tests give one answer.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]

pub mod answer;
mod check;
pub mod decide;
mod distinct;
pub mod edit;
pub mod host;
mod https_uri;
pub mod jose;
pub mod keys;
pub mod limit;
pub mod program;
pub mod request;
mod resources;
pub mod route;
pub mod token;

pub use https_uri::{HttpsUri, InvalidHttpsUri};
pub use program::{check, compile};
pub use resources::*;
