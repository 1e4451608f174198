//! What keys are made of, checked once when they are read.

use std::fmt;

use p256::elliptic_curve::point::AffineCoordinates;

use super::KeyError;
use crate::jose::algorithm::Curve;
use crate::jose::rsa::RsaKey;

/// What a key is made of.
#[derive(Clone)]
pub enum Material {
    /// An RSA public key (RFC 7518 §6.3.1).
    Rsa(RsaKey),
    /// A point of an elliptic curve (RFC 7518 §6.2.1).
    Ec(EcKey),
    /// An Ed25519 public key (RFC 8037 §2).
    Ed25519(ed25519_dalek::VerifyingKey),
    /// A shared secret (RFC 7518 §6.4).
    Secret(Box<[u8]>),
}

/// A point of an elliptic curve.
#[derive(Clone)]
pub enum EcKey {
    /// Of P-256.
    P256(p256::ecdsa::VerifyingKey),
    /// Of P-384.
    P384(p384::ecdsa::VerifyingKey),
    /// Of P-521.
    P521(p521::ecdsa::VerifyingKey),
}

impl Material {
    /// A point of a curve, each coordinate as long as the curve's (RFC 7518 §6.2.1.2, §6.2.1.3).
    pub(super) fn ec(curve: Curve, x: &[u8], y: &[u8]) -> Result<Self, KeyError> {
        // By coordinates, not by SEC 1: points are never compressed here, and to decompress them takes much code.
        macro_rules! point {
            ($curve:ident) => {{
                let (Ok(x), Ok(y)) = (x.try_into(), y.try_into()) else {
                    return Err(KeyError::CoordinateLength);
                };
                $curve::AffinePoint::from_coordinates(&x, &y)
                    .into_option()
                    .and_then(|point| $curve::ecdsa::VerifyingKey::from_affine(point).ok())
                    .ok_or(KeyError::Point)?
            }};
        }
        Ok(Self::Ec(match curve {
            Curve::P256 => EcKey::P256(point!(p256)),
            Curve::P384 => EcKey::P384(point!(p384)),
            Curve::P521 => EcKey::P521(point!(p521)),
        }))
    }

    /// An Ed25519 public key (RFC 8037 §2). One of small order fits signatures of any text.
    pub(super) fn ed25519(bytes: &[u8]) -> Result<Self, KeyError> {
        let bytes = bytes.try_into().map_err(|_| KeyError::CoordinateLength)?;
        ed25519_dalek::VerifyingKey::from_bytes(bytes)
            .ok()
            .filter(|key| !key.is_weak())
            .map(Self::Ed25519)
            .ok_or(KeyError::Point)
    }

    /// A shared secret, no shorter than the shortest hash (RFC 7518 §3.2).
    pub(super) fn secret(bytes: &[u8]) -> Result<Self, KeyError> {
        if bytes.len() < 32 { Err(KeyError::SecretTooShort) } else { Ok(Self::Secret(bytes.into())) }
    }
}

impl EcKey {
    /// The curve.
    #[must_use]
    pub const fn curve(&self) -> Curve {
        match self {
            Self::P256(_) => Curve::P256,
            Self::P384(_) => Curve::P384,
            Self::P521(_) => Curve::P521,
        }
    }
}

/// Names the kind, and nothing of a secret.
impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rsa(_) => "Rsa",
            Self::Ec(EcKey::P256(_)) => "P256",
            Self::Ec(EcKey::P384(_)) => "P384",
            Self::Ec(EcKey::P521(_)) => "P521",
            Self::Ed25519(_) => "Ed25519",
            Self::Secret(_) => "Secret",
        })
    }
}
