//! The keys that signatures are checked with: where they come from, and how long they are good.

mod cache_control;
mod schedule;

pub use cache_control::freshness;
pub use schedule::{Cell, FETCH_TIMEOUT, Schedule};
