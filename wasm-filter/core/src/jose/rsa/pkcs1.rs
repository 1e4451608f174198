//! EMSA-PKCS1-v1_5 (RFC 8017 §9.2).

use crate::jose::hash::Hash;

/// Whether this is the encoding of a message. It is compared as a whole with the one that there is: readers that pick
/// it apart have been led to believe forgeries (RFC 8017 §8.2.2, note 2).
pub(super) fn is_encoded(encoded: &[u8], hash: Hash, message: &[u8]) -> bool {
    let digest = hash.digest(&[message]);
    // DigestInfo in DER, up to the digest (RFC 8017 §9.2, note 1).
    let info: &[u8] = match hash {
        Hash::Sha256 => b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20",
        Hash::Sha384 => b"\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\x04\x30",
        Hash::Sha512 => b"\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40",
    };
    // Keys of 2048 bits leave room for far more padding than the 8 bytes that are wanted.
    let padding = encoded.len().saturating_sub(3 + info.len() + digest.len());
    let ones = vec![0xff; padding];
    padding >= 8 && [&[0, 1], ones.as_slice(), &[0], info, &digest].concat() == encoded
}
