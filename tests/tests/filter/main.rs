//! The filter in a real Envoy.

mod examples;
mod passes;
