//! What becomes of requests: a proxy that is a model, the rest as in Envoy.

mod headers;
mod keys;
mod limits;
mod proxy;
mod sign_in;
mod tokens;
mod waiting;
