//! The filter as Envoy runs it: events of the proxy in, host calls out. What is decided, is decided by
//! `sallyport-traffic`; here stands only how Envoy is asked and told.
//!
//! It speaks the proxy-wasm ABI 0.2.1 itself, rather than through the Rust SDK, whose dispatcher panics where a host call
//! fails or answers late, and whose table of calls grows with each stream that ends before its call does. A panic ends
//! the virtual machine, and with it every policy in it: nothing here can reach one.

#![cfg(target_family = "wasm")]

mod abi;
mod contexts;
mod envoy;
mod events;
mod filter;
mod service;
mod stream;
mod table;
