//! Tokens: where a request carries them, what they must say, and which were verified already.

mod cache;

pub use cache::{REMEMBERED_FOR, VerifiedTokens};
