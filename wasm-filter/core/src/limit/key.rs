//! What a limit counts apart, made short.

use std::hash::Hasher as _;

use siphasher::sip128::{Hasher128 as _, SipHasher24};

use super::table::{ATTEMPTS, TableError};
use crate::host::{Expect, SharedData, WriteError};

/// What requests that share a limit have in common: the keyed hash (SipHash-2-4, 128 bits) of the parts of the limit's
/// key. Who does not know the secret can neither find two keys with one hash nor aim at one set of the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub u128);

impl Key {
    /// The key with these parts, each told from the next.
    #[must_use]
    pub fn new<'a>(secret: &Secret, parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hasher = SipHasher24::new_with_key(&secret.0);
        write_parts(&mut hasher, parts);
        Self(hasher.finish128().as_u128())
    }
}

/// Writes each part with its length, so that `ab`, `c` is not `a`, `bc`.
pub(super) fn write_parts<'a>(hasher: &mut SipHasher24, parts: impl IntoIterator<Item = &'a [u8]>) {
    for part in parts {
        hasher.write(&(part.len() as u64).to_le_bytes());
        hasher.write(part);
    }
}

/// What all workers of a proxy hash keys with, and no client knows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret([u8; 16]);

/// Where the secret stands in shared data.
const ADDRESS: &[u8] = b"sallyport/limit/secret";

impl Secret {
    /// The secret of this proxy: the one that a worker put into shared data before, or else `random`, which is put
    /// there. The bytes must be unpredictable. A value that is no secret, which only another plugin can have written, is
    /// replaced.
    ///
    /// # Errors
    /// The proxy failed, or others wrote all the time.
    pub fn establish(shared: &dyn SharedData, random: [u8; 16]) -> Result<Self, TableError> {
        for _ in 0..ATTEMPTS {
            let found = shared.read(ADDRESS)?;
            if let Some(Ok(secret)) = found.as_ref().map(|found| found.value.as_slice().try_into()) {
                return Ok(Self(secret));
            }
            let expect = found.map_or(Expect::Absent, |found| Expect::Version(found.version));
            match shared.write(ADDRESS, &random, expect) {
                Ok(()) => return Ok(Self(random)),
                Err(WriteError::Changed) => {}
                Err(WriteError::Host(error)) => return Err(error.into()),
            }
        }
        Err(TableError::Contended)
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}
