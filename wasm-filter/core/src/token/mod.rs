//! Tokens: where a request carries them, what they must say, and which were verified already.

mod cache;
mod claims;
mod place;
mod registered;

pub use cache::{REMEMBERED_FOR, VerifiedTokens};
pub use claims::{claim, header_value, holds, scalar};
pub use place::{Place, Presented, find};
pub use registered::{ClaimError, Times, check_parties};
