//! The bare filter: what any filter costs in a proxy (proxy-wasm ABI 0.2.1), before it decides anything.
//!
//! Without a configuration it does nothing. With one, it makes the host calls that stand there at each request, and
//! nothing else. A call that fails ends the virtual machine, so that no request is answered as if it had been made.

#![cfg(target_family = "wasm")]

mod call;
mod events;
mod host;
mod plan;
