//! Policies from files: reading them, and following them as they change.

mod digest;
mod load;
mod store;

pub use load::{Loaded, Part, load};
pub use store::{Settings, Store};
