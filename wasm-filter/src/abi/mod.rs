//! Host calls of the proxy-wasm ABI 0.2.1, each as a function that returns what the proxy answered. None panics.

pub(crate) mod answer;
pub(crate) mod buffer;
pub(crate) mod call;
pub(crate) mod clock;
pub(crate) mod foreign;
pub(crate) mod header_map;
mod imports;
pub(crate) mod log;
mod memory;
pub(crate) mod metric;
mod pairs;
pub(crate) mod property;
pub(crate) mod shared_data;
mod status;
pub(crate) mod stream;
