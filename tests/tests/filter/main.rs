//! The filter in a real Envoy.

mod decides;
mod examples;
mod keys;
mod passes;
mod secrets;
mod tokens;
mod trailers;
