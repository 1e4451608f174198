//! The filter in a real Envoy.

mod away;
mod bounded;
mod capabilities;
mod client_address;
mod counts;
mod crowd;
mod decides;
mod examples;
mod grpc;
mod hostile;
mod keys;
mod passes;
mod preflight;
mod reconfigured;
mod routes;
mod secrets;
mod signatures;
mod systems;
mod told;
mod trailers;
