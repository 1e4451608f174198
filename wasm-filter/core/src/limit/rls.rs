//! Asking a rate limit service: `envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit`, as protobuf.
//!
//! Each call is about one limit. It carries the limit itself (`RateLimitDescriptor.limit`), so that the policy is the
//! only place where it is written. What the operator of `envoyproxy/ratelimit` must configure is the domain, with no
//! descriptors:
//!
//! ```yaml
//! domain: sallyport
//! ```
//!
//! That service ignores a limit that a request carries when it does not know the domain, counts nothing, and answers OK
//! without `current_limit`. This is not taken for an answer ([`Answer::NotCounted`]). It keeps one counter of statistics
//! for each key that it ever saw, as it does for every such limit.

mod request;
mod response;
mod wire;

pub use request::{Descriptor, GlobalKey, Unit, encode};
pub use response::{Answer, decode};
pub use wire::Malformed;

/// The domain of all requests.
pub const DOMAIN: &str = "sallyport";
/// The service's name, for the `:path` of a call.
pub const SERVICE: &str = "envoy.service.ratelimit.v3.RateLimitService";
/// The method's name.
pub const METHOD: &str = "ShouldRateLimit";
