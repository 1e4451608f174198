//! Changes to bytes that no person reads: numbers, lengths and whole fields.

use super::Dice;
use super::dictionary::Dictionary;

/// Numbers at the ends of what something holds.
const NUMBERS: [u64; 8] = [0, 1, 0x7f, 0x80, 1 << 31, 1 << 32, 1 << 63, u64::MAX];

/// Changes one place.
pub(crate) fn change(bytes: &mut Vec<u8>, words: &Dictionary, dice: &mut Dice) {
    let (one, two) = (dice.below(bytes.len()), dice.below(bytes.len() + 1));
    let (start, end) = (one.min(two), one.max(two).min(one.min(two) + 64));
    match dice.below(8) {
        0 if !bytes.is_empty() => bytes[one] ^= 1 << dice.below(8),
        1 if !bytes.is_empty() => bytes[one] = dice.throw() as u8,
        2 => bytes.insert(two, dice.throw() as u8),
        3 => drop(bytes.drain(start..end)),
        4 => {
            let copied = bytes[start..end].to_vec();
            bytes.splice(two..two, copied);
        }
        5 => {
            let word = dice.pick(&words.words).map(String::as_bytes).unwrap_or_default();
            bytes.splice(two..two, word.iter().copied());
        }
        _ => number(bytes, one, dice),
    }
}

/// Puts a number in the place of eight bytes, or moves the one that is there by a little.
fn number(bytes: &mut [u8], at: usize, dice: &mut Dice) {
    let Some(place) = bytes.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<8>()) else { return };
    let number = match dice.pick(&NUMBERS) {
        Some(number) if dice.one_in(2) => *number,
        _ => u64::from_le_bytes(*place).wrapping_add(dice.below(16) as u64).wrapping_sub(8),
    };
    *place = number.to_le_bytes();
}
