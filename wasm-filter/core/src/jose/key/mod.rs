//! Keys that signatures are checked with.

mod jwk;
mod material;
mod pem;
mod set;
mod spki;

use std::fmt;

use thiserror::Error;

pub use self::material::{EcKey, Material};
pub use self::set::{Fingerprint, KeySet, KeySetError, MAX_KEYS, PemError, Skipped};
use super::algorithm::Scheme;
use super::jws::MAX_KID;
use crate::Algorithm;

/// A key, and what it may be used for.
#[derive(Clone)]
pub struct Key {
    kid: Option<Box<str>>,
    algorithm: Option<Algorithm>,
    material: Material,
    spki: Option<Box<[u8]>>,
}

/// Why a key can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum KeyError {
    /// It is JSON, but no object.
    #[error("it is no JSON object")]
    Kind,
    /// A member that it needs is absent or has the wrong form.
    #[error("its {0} is absent or has the wrong form")]
    Member(&'static str),
    /// A member is not base64url.
    #[error("its {0} is not base64url")]
    Encoding(&'static str),
    /// `kty`, or the algorithm identifier in DER, is none that is supported.
    #[error("its type is not supported")]
    Type,
    /// `crv` is none that is supported.
    #[error("its curve is not supported")]
    Curve,
    /// `use` is another than `sig` (RFC 7517 §4.2).
    #[error("its use is not sig")]
    Use,
    /// `key_ops` does not have `verify`, or has something twice (RFC 7517 §4.3).
    #[error("its key_ops do not name verify, or name something twice")]
    Operations,
    /// `alg` is none that is supported.
    #[error("its alg is not supported")]
    Algorithm,
    /// `alg` is none that a key of this kind and size may be used with.
    #[error("its alg does not go with its type, curve or size")]
    AlgorithmMismatch,
    /// `kid` is longer than [`MAX_KID`].
    #[error("its kid is longer than {MAX_KID} bytes")]
    KidTooLong,
    /// It holds the private half, which nobody but the issuer should have.
    #[error("it holds a private key: whoever can read it can make tokens; give the public key only")]
    Private,
    /// The RSA modulus is less than 2048 or more than 8192 bits long (RFC 7518 §3.3).
    #[error("its RSA modulus is not from 2048 to 8192 bits long")]
    RsaSize,
    /// The RSA modulus or exponent is none: even, too small, or the exponent longer than 33 bits.
    #[error("its RSA modulus or exponent is none: an odd one is needed, an exponent from 3 to 33 bits long")]
    RsaNumbers,
    /// A number has zeros in front (RFC 7518 §2: Base64urlUInt).
    #[error("its {0} starts with a zero byte")]
    LeadingZero(&'static str),
    /// A coordinate is not as long as the curve's (RFC 7518 §6.2.1.2).
    #[error("its coordinates have the wrong length for the curve")]
    CoordinateLength,
    /// The point is not on the curve, or has small order.
    #[error("it is no point of the curve that may be a key")]
    Point,
    /// The secret is shorter than the hash function's output (RFC 7518 §3.2).
    #[error("the secret is too short: 32 bytes are needed for HS256, 48 for HS384, 64 for HS512")]
    SecretTooShort,
    /// It is not SubjectPublicKeyInfo in DER (RFC 5280 §4.1).
    #[error("it is no SubjectPublicKeyInfo in DER")]
    Der,
}

impl Key {
    /// A key of this material, which `kid` names and `algorithm` binds if they are given.
    ///
    /// # Errors
    /// The algorithm is none of the material's, or the name is too long.
    pub fn new(
        kid: Option<&str>,
        algorithm: Option<Algorithm>,
        material: Material,
    ) -> Result<Self, KeyError> {
        if kid.is_some_and(|kid| kid.len() > MAX_KID) {
            return Err(KeyError::KidTooLong);
        }
        if algorithm.is_some_and(|algorithm| !material.fits(algorithm)) {
            return Err(KeyError::AlgorithmMismatch);
        }
        let spki = spki::write(&material).map(Vec::into_boxed_slice);
        Ok(Self { kid: kid.map(Into::into), algorithm, material, spki })
    }

    /// Its name (RFC 7517 §4.5).
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The only algorithm that it may be used with, if it says so (RFC 7517 §4.4).
    #[must_use]
    pub const fn algorithm(&self) -> Option<Algorithm> {
        self.algorithm
    }

    /// What it is made of.
    #[must_use]
    pub const fn material(&self) -> &Material {
        &self.material
    }

    /// It as SubjectPublicKeyInfo in DER (RFC 5280 §4.1); none for a shared secret.
    #[must_use]
    pub fn spki(&self) -> Option<&[u8]> {
        self.spki.as_deref()
    }

    /// Whether it may check signatures of this algorithm: by its kind, curve and size, and by its own `alg`.
    #[must_use]
    pub fn fits(&self, algorithm: Algorithm) -> bool {
        self.algorithm.is_none_or(|own| own == algorithm) && self.material.fits(algorithm)
    }

    /// Whether it may be the key that a token names. One without a name may be any.
    #[must_use]
    pub fn is_named(&self, kid: Option<&str>) -> bool {
        match (self.kid(), kid) {
            (Some(own), Some(wanted)) => own == wanted,
            _ => true,
        }
    }
}

/// Shows no secret.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm)
            .field("material", &self.material)
            .finish_non_exhaustive()
    }
}

impl Material {
    /// Whether keys of this material may check signatures of this algorithm.
    #[must_use]
    pub fn fits(&self, algorithm: Algorithm) -> bool {
        match (self, algorithm.scheme()) {
            (Self::Secret(secret), Scheme::Hmac(hash)) => secret.len() >= hash.length(),
            (Self::Rsa(_), Scheme::RsaPkcs1(_) | Scheme::RsaPss(_)) | (Self::Ed25519(_), Scheme::Ed25519) => {
                true
            }
            (Self::Ec(key), Scheme::Ecdsa(curve)) => key.curve() == curve,
            _ => false,
        }
    }
}
