//! RSA signatures (RFC 8017 §8), checked with public keys only.
//!
//! It is written here, not borrowed: what a library brings along for private keys would add 55 to 90 KB to the filter,
//! and its arithmetic, made for secrets, takes three times as long. There is no secret in checking a signature, so
//! nothing here hides how long it takes. It is held against another implementation and against Wycheproof's signatures.

mod montgomery;
mod pkcs1;
mod pss;

use montgomery::Modulus;

use super::hash::Hash;
use super::key::KeyError;

/// An RSA public key (RFC 8017 §3.1).
#[derive(Clone)]
pub struct RsaKey {
    modulus: Modulus,
    exponent: u64,
}

/// The lengths of moduli that are taken, in bits: RFC 7518 §3.3 wants 2048 at least, and more than 8192 only takes
/// time.
const BITS: std::ops::RangeInclusive<usize> = 2048..=8192;
/// The longest exponent that is taken, in bits. It is BoringSSL's.
const EXPONENT_BITS: u32 = 33;

impl RsaKey {
    /// A key of its modulus and its exponent, big-endian without zeros in front. Both must be odd, the modulus 2048 to
    /// 8192 bits long, the exponent 3 or more and no longer than 33 bits.
    pub(super) fn new(modulus: &[u8], exponent: &[u8]) -> Result<Self, KeyError> {
        for (name, number) in [("n", modulus), ("e", exponent)] {
            if number.first() == Some(&0) {
                return Err(KeyError::LeadingZero(name));
            }
        }
        // Before anything is computed with it.
        if modulus.len() > BITS.end() / 8 {
            return Err(KeyError::RsaSize);
        }
        let modulus = Modulus::new(modulus).ok_or(KeyError::RsaNumbers)?;
        if !BITS.contains(&modulus.bits()) {
            return Err(KeyError::RsaSize);
        }
        if exponent.len() > 8 {
            return Err(KeyError::RsaNumbers);
        }
        let exponent = exponent.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        if exponent < 3 || exponent.is_multiple_of(2) || exponent >> EXPONENT_BITS > 0 {
            return Err(KeyError::RsaNumbers);
        }
        Ok(Self { modulus, exponent })
    }

    /// The length of signatures in bytes, and of the modulus (RFC 8017 §3.1: k).
    pub(super) fn length(&self) -> usize {
        self.modulus.bits().div_ceil(8)
    }

    /// The modulus, big-endian.
    pub(super) fn n(&self) -> Vec<u8> {
        self.modulus.to_bytes()
    }

    /// The exponent, big-endian, with zeros in front.
    pub(super) fn e(&self) -> [u8; 8] {
        self.exponent.to_be_bytes()
    }

    /// Whether the signature is of this key and message (RFC 8017 §8.2.2).
    pub(super) fn verify_pkcs1(&self, hash: Hash, message: &[u8], signature: &[u8]) -> bool {
        self.recover(signature).is_some_and(|encoded| pkcs1::is_encoded(&encoded, hash, message))
    }

    /// Whether the signature is of this key and message, with a salt as long as the hash (RFC 8017 §8.1.2).
    pub(super) fn verify_pss(&self, hash: Hash, message: &[u8], signature: &[u8]) -> bool {
        self.recover(signature)
            .is_some_and(|encoded| pss::is_encoded(&encoded, self.modulus.bits() - 1, hash, message))
    }

    /// The encoded message that was signed, as long as the modulus (RFC 8017 §5.2.2: RSAVP1). None where the
    /// signature is not as long as the modulus, or not less than it.
    fn recover(&self, signature: &[u8]) -> Option<Vec<u8>> {
        if signature.len() != self.length() {
            return None;
        }
        self.modulus.power(signature, self.exponent)
    }
}
