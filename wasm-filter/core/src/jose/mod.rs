//! Strict JSON Object Signing: tokens are read, keys are read, signatures are checked.
//!
//! JOSE's standards leave much to the reader, and most attacks on it live in what is left (RFC 8725). Here a token or
//! a key has one reading or none: base64url is canonical, JSON has no duplicate members, curves, coordinates and
//! signatures have their exact sizes. The key says which algorithms it is for, never the token.

pub mod algorithm;
pub mod base64url;
mod der;
pub mod hash;
pub mod host_verify;
pub mod json;
mod json_reader;
pub mod jws;
pub mod key;
pub mod numeric_date;
pub mod probe;
pub mod rsa;
pub mod verify;

pub use host_verify::HostCall;
pub use json::{Json, JsonError};
pub use jws::{Jws, JwsError};
pub use key::{Key, KeyError, KeySet, KeySetError};
pub use numeric_date::NumericDate;
pub use verify::verify;
