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
pub mod mesh;
mod module;
mod plugin;
mod wasm;

pub use endpoint::{Endpoint, InvalidEndpoint};
pub use keys::{environment_variables, jwks_endpoint};
pub use module::{InvalidModule, check_module};
pub use plugin::Plugin;

/// The type URL of an Envoy message, which says what a `typed_config` is.
fn any(message: &str) -> String {
    format!("type.googleapis.com/{message}")
}
