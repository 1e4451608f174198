//! Signatures that Envoy checks: its foreign function `verify_signature`, which is BoringSSL and some twenty times
//! faster than WebAssembly.
//!
//! Its argument is `envoy.source.extensions.common.wasm.VerifySignatureArguments`, its result `VerifySignatureResult`,
//! both in protobuf. It is told nothing that could have another verdict here: the algorithm fits the key, sizes and
//! ranges are checked, and signatures and keys are DER of one form.

use super::algorithm::{Curve, Scheme};
use super::der::{SEQUENCE, element, unsigned};
use super::hash::Hash;
use super::key::{Key, Material};
use super::rsa::RsaKey;
use crate::Algorithm;

/// What to do about a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostCall {
    /// Envoy can't check such signatures: call [`super::verify`].
    Unsupported,
    /// No key could have made it: it is refused.
    Refused,
    /// Call the function with this argument, and read what comes back with [`result`].
    Call(Vec<u8>),
}

/// What to do about a signature. The verdict is the same that [`super::verify`] comes to.
#[must_use]
pub fn host_call(key: &Key, algorithm: Algorithm, signing_input: &[u8], signature: &[u8]) -> HostCall {
    if !key.fits(algorithm) {
        return HostCall::Refused;
    }
    let (hash, signature) = match (algorithm.scheme(), key.material()) {
        (Scheme::RsaPkcs1(hash), Material::Rsa(key)) => (hash, rsa(key, signature)),
        (Scheme::Ecdsa(curve), Material::Ec(_)) => (curve.hash(), ecdsa(curve, signature)),
        _ => return HostCall::Unsupported,
    };
    let (Some(signature), Some(key)) = (signature, key.spki()) else { return HostCall::Refused };
    HostCall::Call(argument(hash, key, &signature, signing_input))
}

/// It, if it is as long as the modulus (RFC 8017 §8.2.2).
fn rsa(key: &RsaKey, signature: &[u8]) -> Option<Vec<u8>> {
    (signature.len() == key.length()).then(|| signature.to_vec())
}

/// It, in the form that others have it in (RFC 3279 §2.2.3), if its numbers are such as signatures are made of.
fn ecdsa(curve: Curve, signature: &[u8]) -> Option<Vec<u8>> {
    let fine = match curve {
        Curve::P256 => p256::ecdsa::Signature::from_slice(signature).is_ok(),
        Curve::P384 => p384::ecdsa::Signature::from_slice(signature).is_ok(),
        Curve::P521 => p521::ecdsa::Signature::from_slice(signature).is_ok(),
    };
    let (r, s) = signature.split_at_checked(curve.length()).filter(|_| fine)?;
    Some(element(SEQUENCE, &[&unsigned(r), &unsigned(s)]))
}

fn argument(hash: Hash, key: &[u8], signature: &[u8], text: &[u8]) -> Vec<u8> {
    let hash = match hash {
        Hash::Sha256 => "sha256",
        Hash::Sha384 => "sha384",
        Hash::Sha512 => "sha512",
    };
    let mut argument = Vec::with_capacity(key.len() + signature.len() + text.len() + 32);
    for (number, bytes) in [(1, hash.as_bytes()), (2, key), (3, signature), (4, text)] {
        // A field of bytes (protobuf's encoding, "length-delimited records").
        argument.push(number << 3 | 2);
        varint(&mut argument, bytes.len());
        argument.extend_from_slice(bytes);
    }
    argument
}

fn varint(bytes: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// What the function says: whether the signature is the key's. None where it says nothing that can be read; then
/// [`super::verify`] decides.
#[must_use]
pub fn result(bytes: &[u8]) -> Option<bool> {
    let (mut rest, mut valid, mut error) = (bytes, false, false);
    while let Some((tag, behind)) = rest.split_first() {
        match tag {
            // bool result = 1
            0x08 => {
                let (value, behind) = behind.split_first()?;
                valid = match value {
                    0 => false,
                    1 => true,
                    _ => return None,
                };
                rest = behind;
            }
            // string error = 2
            0x12 => {
                let (length, behind) = read_varint(behind)?;
                let (text, behind) = behind.split_at_checked(length)?;
                error = !text.is_empty();
                rest = behind;
            }
            _ => return None,
        }
    }
    // Valid and an error at once is no answer.
    (!(valid && error)).then_some(valid)
}

fn read_varint(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut number = 0;
    for (index, byte) in bytes.iter().enumerate().take(4) {
        number |= usize::from(byte & 0x7f) << (7 * index);
        if *byte < 0x80 {
            return Some((number, bytes.get(index + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{argument, result};
    use crate::jose::hash::Hash;

    #[test]
    fn the_argument_is_protobuf() {
        let text = [b'x'; 300];
        let want = [b"\x0a\x06sha384\x12\x01k\x1a\x02ss\x22\xac\x02".as_slice(), &text].concat();
        assert_eq!(argument(Hash::Sha384, b"k", b"ss", &text), want);
    }

    #[test]
    fn the_result_is_read_or_is_none() {
        assert_eq!(result(b""), Some(false));
        assert_eq!(result(b"\x08\x01"), Some(true));
        assert_eq!(result(b"\x08\x00"), Some(false));
        assert_eq!(result(b"\x12\x03bad"), Some(false));
        assert_eq!(result(b"\x08\x00\x12\x03bad"), Some(false));
        assert_eq!(result(b"\x08\x01\x12\x00"), Some(true));
        let long = [b"\x12\x80\x01".as_slice(), &[b'x'; 128]].concat();
        assert_eq!(result(&long), Some(false));
        let garbled: [&[u8]; 8] = [
            b"\x08",
            b"\x08\x02",
            b"\x08\x81\x00",
            b"\x08\x01\x12\x03bad",
            b"\x12\x04bad",
            b"\x12\xff\xff\xff\xff\x0f",
            b"\x1a\x00",
            b"yes",
        ];
        for bytes in garbled {
            assert_eq!(result(bytes), None, "{bytes:?}");
        }
    }
}
