//! Policies from files: reading them, and following them as they change.

mod digest;
mod expiry;
mod load;
mod store;
mod watch;

pub use load::{Loaded, Part, load};
pub use store::{Settings, Store};
