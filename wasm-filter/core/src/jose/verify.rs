//! Whether a signature is a key's.

use hmac::{Hmac, KeyInit, Mac};
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use sha2::{Sha256, Sha384, Sha512};

use super::algorithm::{Curve, Scheme};
use super::hash::Hash;
use super::key::{EcKey, Key, Material};
use crate::Algorithm;

/// Whether `signature` is the key's, made with this algorithm, of `signing_input`. It is not where the algorithm is
/// none of the key's.
///
/// One signature has one form only: an RSA signature is as long as the modulus and less than it (RFC 8017 §8.1.2,
/// §8.2.2), an ECDSA signature is two numbers from 1 to the order less 1, each as long as a coordinate
/// (RFC 7518 §3.4). A PSS salt is as long as the hash (RFC 7518 §3.5). Ed25519 is checked without the cofactor, and
/// points of small order are refused (RFC 8032 §8.4 leaves both open).
#[must_use]
pub fn verify(key: &Key, algorithm: Algorithm, signing_input: &[u8], signature: &[u8]) -> bool {
    if !key.fits(algorithm) {
        return false;
    }
    match (algorithm.scheme(), key.material()) {
        (Scheme::Hmac(hash), Material::Secret(secret)) => hmac(secret, hash, signing_input, signature),
        (Scheme::RsaPkcs1(hash), Material::Rsa(key)) => key.verify_pkcs1(hash, signing_input, signature),
        (Scheme::RsaPss(hash), Material::Rsa(key)) => key.verify_pss(hash, signing_input, signature),
        (Scheme::Ecdsa(curve), Material::Ec(key)) => ecdsa(key, curve, signing_input, signature),
        (Scheme::Ed25519, Material::Ed25519(key)) => ed25519_dalek::Signature::from_slice(signature)
            .is_ok_and(|signature| key.verify_strict(signing_input, &signature).is_ok()),
        _ => false,
    }
}

/// Compares in constant time.
fn hmac(secret: &[u8], hash: Hash, message: &[u8], tag: &[u8]) -> bool {
    fn check<M: Mac + KeyInit>(secret: &[u8], message: &[u8], tag: &[u8]) -> bool {
        M::new_from_slice(secret).is_ok_and(|mac| mac.chain_update(message).verify_slice(tag).is_ok())
    }
    match hash {
        Hash::Sha256 => check::<Hmac<Sha256>>(secret, message, tag),
        Hash::Sha384 => check::<Hmac<Sha384>>(secret, message, tag),
        Hash::Sha512 => check::<Hmac<Sha512>>(secret, message, tag),
    }
}

fn ecdsa(key: &EcKey, curve: Curve, message: &[u8], signature: &[u8]) -> bool {
    let digest = curve.hash().digest(&[message]);
    match (curve, key) {
        (Curve::P256, EcKey::P256(key)) => p256::ecdsa::Signature::from_slice(signature)
            .is_ok_and(|signature| key.verify_prehash(&digest, &signature).is_ok()),
        (Curve::P384, EcKey::P384(key)) => p384::ecdsa::Signature::from_slice(signature)
            .is_ok_and(|signature| key.verify_prehash(&digest, &signature).is_ok()),
        (Curve::P521, EcKey::P521(key)) => p521::ecdsa::Signature::from_slice(signature)
            .is_ok_and(|signature| key.verify_prehash(&digest, &signature).is_ok()),
        _ => false,
    }
}
