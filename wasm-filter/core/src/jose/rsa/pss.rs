//! EMSA-PSS with MGF1 of the same hash function (RFC 8017 §9.1.2), and a salt as long as the hash (RFC 7518 §3.5).

use crate::jose::hash::Hash;

/// Whether this is an encoding of a message in so many bits. There may be more bytes in front, which must be zero.
pub(super) fn is_encoded(encoded: &[u8], bits: usize, hash: Hash, message: &[u8]) -> bool {
    check(encoded, bits, hash, message).unwrap_or(false)
}

/// None where a part is absent.
fn check(encoded: &[u8], bits: usize, hash: Hash, message: &[u8]) -> Option<bool> {
    let (front, encoded) = encoded.split_at_checked(encoded.len().checked_sub(bits.div_ceil(8))?)?;
    let (0xbc, encoded) = encoded.split_last()? else { return None };
    let (masked, digest) = encoded.split_at_checked(encoded.len().checked_sub(hash.length())?)?;

    // Bits of the first byte that are beyond those that there are.
    let beyond = !(0xff_u8 >> (bits.div_ceil(8) * 8 - bits));
    if front.iter().any(|byte| *byte != 0) || masked.first()? & beyond != 0 {
        return None;
    }
    let mut data: Vec<u8> =
        masked.iter().zip(mask(digest, masked.len(), hash)).map(|(byte, mask)| byte ^ mask).collect();
    *data.first_mut()? &= !beyond;

    let (padding, salt) = data.split_at_checked(data.len().checked_sub(hash.length())?)?;
    let (1, zeros) = padding.split_last()? else { return None };
    let wanted = hash.digest(&[&[0; 8], &hash.digest(&[message]), salt]);
    Some(zeros.iter().all(|byte| *byte == 0) && wanted == digest)
}

/// MGF1 (RFC 8017 §B.2.1).
fn mask(seed: &[u8], length: usize, hash: Hash) -> Vec<u8> {
    let mut mask = Vec::with_capacity(length + hash.length());
    let mut counter: u32 = 0;
    while mask.len() < length {
        mask.extend(hash.digest(&[seed, &counter.to_be_bytes()]));
        counter += 1;
    }
    mask.truncate(length);
    mask
}
