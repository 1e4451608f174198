//! Keys that belong together: an issuer's.

use sha2::{Digest, Sha256};
use thiserror::Error;

pub use super::pem::PemError;
use super::{Key, KeyError, Material, jwk, pem, spki};
use crate::Algorithm;
use crate::jose::json::MAX_LENGTH;
use crate::jose::{Json, JsonError};

/// A set has no more keys than this.
pub const MAX_KEYS: usize = 128;

/// Keys that belong together: an issuer's. At least one.
#[derive(Clone, Debug)]
pub struct KeySet {
    keys: Vec<Key>,
    skipped: Vec<Skipped>,
    fingerprint: Fingerprint,
}

/// A key of a set that can't be used, and is ignored (RFC 7517 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Which of the set it is, from 0.
    pub index: usize,
    /// Why it can't be used.
    pub reason: KeyError,
}

/// Stands for all that a set says: two sets have the same if and only if they have the same keys, named and bound
/// alike, in the same order. Not to be shown: where keys are secrets, it is made of them.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

/// Why keys can't be read. None tells anything of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum KeySetError {
    /// The text is longer than [`MAX_LENGTH`].
    #[error("it is longer than {MAX_LENGTH} bytes")]
    TooLong,
    /// It is not JSON that has one reading.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// It is JSON, but no set of keys (RFC 7517 §5).
    #[error("it is no JSON object with a list of keys")]
    NoSet,
    /// It has more than [`MAX_KEYS`].
    #[error("it has more than {MAX_KEYS} keys")]
    TooManyKeys,
    /// It is no PEM of public keys.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// A key that nobody but the issuer should have is in it.
    #[error("key {0} holds a private key: whoever can read it can make tokens; give public keys only")]
    Private(usize),
    /// It has no keys.
    #[error("it has no keys")]
    Empty,
    /// None of its keys can be used; or one, where all must be.
    #[error("key {} can't be used: {}", .0.index, .0.reason)]
    Unusable(Skipped),
}

impl KeySet {
    /// Reads a JSON Web Key Set (RFC 7517 §5). Keys that can't be used are skipped, as the standard wants it, since
    /// sets also hold keys for encryption and of kinds to come. But one private key refuses the set: a signature by a
    /// key that was published is worth nothing, and whoever mistook one file for another should know at once.
    ///
    /// # Errors
    /// It is no such set, holds a private key, or no key that can be used.
    pub fn from_jwks(text: &[u8]) -> Result<Self, KeySetError> {
        let set = Json::parse(text)?;
        let list = set.as_object().and_then(|set| set.get("keys")).and_then(Json::as_array);
        let list = list.ok_or(KeySetError::NoSet)?;
        if list.len() > MAX_KEYS {
            return Err(KeySetError::TooManyKeys);
        }
        let (mut keys, mut skipped) = (Vec::new(), Vec::new());
        for (index, jwk) in list.iter().enumerate() {
            match jwk::read(jwk) {
                Ok(key) => keys.push(key),
                Err(KeyError::Private) => return Err(KeySetError::Private(index)),
                Err(reason) => skipped.push(Skipped { index, reason }),
            }
        }
        if keys.is_empty() {
            return Err(skipped.first().map_or(KeySetError::Empty, |first| KeySetError::Unusable(*first)));
        }
        Ok(Self::new(keys, skipped))
    }

    /// Reads public keys in PEM (RFC 7468 §13), one or several. All must be usable: they were chosen by hand.
    ///
    /// # Errors
    /// It is no PEM of public keys, or one of them can't be used.
    pub fn from_pem(text: &[u8]) -> Result<Self, KeySetError> {
        if text.len() > MAX_LENGTH {
            return Err(KeySetError::TooLong);
        }
        let blocks = pem::blocks(text)?;
        if blocks.len() > MAX_KEYS {
            return Err(KeySetError::TooManyKeys);
        }
        let keys = blocks.iter().enumerate().map(|(index, der)| {
            let key = spki::read(der).and_then(|material| Key::new(None, None, material));
            key.map_err(|reason| KeySetError::Unusable(Skipped { index, reason }))
        });
        Ok(Self::new(keys.collect::<Result<_, _>>()?, Vec::new()))
    }

    /// A shared secret, of the bytes as they stand.
    ///
    /// # Errors
    /// It is shorter than 32 bytes, which HS256 needs at least (RFC 7518 §3.2), or too long.
    pub fn from_raw(secret: &[u8]) -> Result<Self, KeySetError> {
        if secret.len() > MAX_LENGTH {
            return Err(KeySetError::TooLong);
        }
        let key = Material::secret(secret).and_then(|material| Key::new(None, None, material));
        let key = key.map_err(|reason| KeySetError::Unusable(Skipped { index: 0, reason }))?;
        Ok(Self::new(vec![key], Vec::new()))
    }

    fn new(keys: Vec<Key>, skipped: Vec<Skipped>) -> Self {
        let fingerprint = Fingerprint::of(&keys);
        Self { keys, skipped, fingerprint }
    }

    /// The keys.
    #[must_use]
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// The keys that can't be used, in order.
    #[must_use]
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// Changes if and only if the keys do: what was verified with others is then not verified.
    #[must_use]
    pub const fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Whether a key has this name. If none has, the issuer may have made a new one.
    #[must_use]
    pub fn names(&self, kid: &str) -> bool {
        self.keys.iter().any(|key| key.kid() == Some(kid))
    }

    /// The keys that may have signed a token of this algorithm and `kid`.
    pub fn candidates<'s>(
        &'s self,
        algorithm: Algorithm,
        kid: Option<&'s str>,
    ) -> impl Iterator<Item = &'s Key> {
        self.keys.iter().filter(move |key| key.is_named(kid) && key.fits(algorithm))
    }
}

impl Fingerprint {
    /// Each part with its length, so that no two lists of keys read alike.
    fn of(keys: &[Key]) -> Self {
        let mut hash = Sha256::new();
        let mut add = |part: Option<&[u8]>| {
            hash.update(part.map_or(u64::MAX, |part| part.len() as u64).to_be_bytes());
            hash.update(part.unwrap_or_default());
        };
        for key in keys {
            add(key.kid().map(str::as_bytes));
            add(key.algorithm().map(|algorithm| algorithm.name().as_bytes()));
            add(key.spki());
            add(match key.material() {
                Material::Secret(secret) => Some(secret),
                _ => None,
            });
        }
        Self(hash.finalize().into())
    }
}

/// Shows nothing.
impl std::fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fingerprint")
    }
}
