//! SubjectPublicKeyInfo in DER (RFC 5280 §4.1.2.7): the form of public keys that all others read.

use p256::elliptic_curve::point::AffineCoordinates;

use super::{EcKey, KeyError, Material};
use crate::jose::algorithm::Curve;
use crate::jose::der::{BIT_STRING, INTEGER, SEQUENCE, element, split, unsigned};
use crate::jose::rsa::RsaKey;

/// AlgorithmIdentifier of rsaEncryption, with NULL (RFC 3279 §2.3.1).
const RSA: &[u8] = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
/// AlgorithmIdentifiers of id-ecPublicKey, with the curve (RFC 5480 §2.1.1).
const P256: &[u8] = b"\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07";
const P384: &[u8] = b"\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22";
const P521: &[u8] = b"\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x23";
/// AlgorithmIdentifier of id-Ed25519 (RFC 8410 §3).
const ED25519: &[u8] = b"\x30\x05\x06\x03\x2b\x65\x70";
/// What a point without compression starts with (SEC 1 §2.3.3).
const UNCOMPRESSED: u8 = 4;

/// A key in this form; none for a shared secret.
pub(super) fn write(material: &Material) -> Option<Vec<u8>> {
    let (algorithm, key) = match material {
        Material::Rsa(key) => (RSA, element(SEQUENCE, &[&unsigned(&key.n()), &unsigned(&key.e())])),
        Material::Ec(EcKey::P256(key)) => (P256, point(key.as_affine())),
        Material::Ec(EcKey::P384(key)) => (P384, point(key.as_affine())),
        Material::Ec(EcKey::P521(key)) => (P521, point(key.as_affine())),
        Material::Ed25519(key) => (ED25519, key.as_bytes().to_vec()),
        Material::Secret(_) => return None,
    };
    // No bit of the last byte is unused.
    Some(element(SEQUENCE, &[algorithm, &element(BIT_STRING, &[&[0], &key])]))
}

fn point<P: AffineCoordinates>(point: &P) -> Vec<u8> {
    [&[UNCOMPRESSED], point.x().as_ref(), point.y().as_ref()].concat()
}

/// Reads a key in this form. Points must not be compressed: no program does that unless told to.
pub(super) fn read(der: &[u8]) -> Result<Material, KeyError> {
    let (algorithm, key) = parts(der).ok_or(KeyError::Der)?;
    let material = match algorithm {
        RSA => {
            let (n, e) = rsa(key).ok_or(KeyError::Der)?;
            Material::Rsa(RsaKey::new(n, e)?)
        }
        P256 => ec(Curve::P256, key)?,
        P384 => ec(Curve::P384, key)?,
        P521 => ec(Curve::P521, key)?,
        ED25519 => Material::ed25519(key)?,
        _ => return Err(KeyError::Type),
    };
    // DER has one form for each key, which is ours.
    if write(&material).as_deref() == Some(der) { Ok(material) } else { Err(KeyError::Der) }
}

/// The AlgorithmIdentifier, and the key's bits.
fn parts(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (info, _) = split(SEQUENCE, der)?;
    let (_, key) = split(SEQUENCE, info)?;
    let algorithm = info.strip_suffix(key)?;
    let (key, _) = split(BIT_STRING, key)?;
    Some((algorithm, key.strip_prefix(&[0])?))
}

/// RSAPublicKey (RFC 8017 §A.1.1): modulus and exponent, without the zeros that keep their signs away.
fn rsa(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (numbers, _) = split(SEQUENCE, der)?;
    let (n, rest) = split(INTEGER, numbers)?;
    let (e, _) = split(INTEGER, rest)?;
    Some((n.strip_prefix(&[0]).unwrap_or(n), e.strip_prefix(&[0]).unwrap_or(e)))
}

fn ec(curve: Curve, point: &[u8]) -> Result<Material, KeyError> {
    let coordinates = point.strip_prefix(&[UNCOMPRESSED]).ok_or(KeyError::Point)?;
    let (x, y) = coordinates.split_at_checked(curve.length()).ok_or(KeyError::CoordinateLength)?;
    Material::ec(curve, x, y)
}
