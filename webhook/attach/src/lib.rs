//! What attaches the filter to proxies, made from TrafficPolicies.
//!
//! Everything here is pure: it makes values, and whoever calls it sends or writes them.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]

mod endpoint;
pub mod envoy;
mod keys;
mod module;
mod plugin;

pub use endpoint::{Endpoint, InvalidEndpoint};
pub use keys::{environment_variables, jwks_endpoint};
pub use module::{InvalidModule, check_module};
pub use plugin::Plugin;
