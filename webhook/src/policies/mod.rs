//! Policies from files: reading them, and following them as they change.

mod load;
mod store;

pub use load::{Loaded, load};
pub use store::Store;
