//! The keys that signatures are checked with: where they come from, and how long they are good.

mod cache_control;
mod remote;
mod schedule;
mod unknown;

pub use cache_control::freshness;
pub use remote::{Asked, Fetch, Fetched, Found, MOST_BYTES, RemoteKeys};
pub use schedule::{Cell, FETCH_TIMEOUT, Schedule};
