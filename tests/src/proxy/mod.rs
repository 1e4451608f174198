//! The filter in a real Envoy, with everything that stands around it: the application, hosts of keys, the rate limit
//! service with its Redis. All on free ports of this machine.

mod client;
mod delivery;
mod envoy;
mod http2_client;
mod key_host;
mod module;
mod policy;
mod rate_limit_service;
mod setup;
mod upstream;

pub use client::{Client, page, send};
pub use delivery::Delivery;
pub use envoy::Envoy;
pub use http2_client::Http2Client;
pub use key_host::{Conduct, KeyHost};
pub use module::Module;
pub use policy::policies;
pub use rate_limit_service::RateLimitService;
pub use setup::{Proxy, Setup};
pub use upstream::{Seen, Upstream};
