//! Policies from files: reading them, and following them as they change.

mod digest;
mod expiry;
mod in_force;
mod load;
mod loaded;
mod places;
mod store;
mod watch;

pub use in_force::InForce;
pub use load::load;
pub use loaded::Loaded;
pub use store::{Opened, Settings, Store};
