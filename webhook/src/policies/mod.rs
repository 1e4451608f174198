//! Policies: reading them, from files or objects, and following files as they change.

mod bounds;
mod digest;
mod expiry;
mod in_force;
mod load;
mod loaded;
mod one;
mod places;
mod store;
mod traffic;
mod watch;

pub(crate) use digest::{Digest, Hash, hash as hash_of};
pub use in_force::InForce;
pub use load::load;
pub use loaded::Loaded;
pub(crate) use one::{One, Said, compile as compile_one};
pub use store::{Opened, Settings, Store};
pub(crate) use traffic::ROOT_NAMESPACE;
