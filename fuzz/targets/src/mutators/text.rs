//! Changes to text: by characters, words and lines.

use super::Dice;
use super::dictionary::Dictionary;

/// Bytes that mean something to most parsers.
const BYTES: &[u8] = b"\0\t\n\r !\"#%&'*+,-./0:;<=>?@A[\\]^_`a{|}~\x7f\x80\xc3\xff";

/// Changes one place.
pub(crate) fn change(bytes: &mut Vec<u8>, words: &Dictionary, dice: &mut Dice) {
    let (one, two) = (dice.below(bytes.len()), dice.below(bytes.len() + 1));
    let (start, end) = (one.min(two), one.max(two));
    let byte = dice.pick(BYTES).copied().unwrap_or_default();
    match dice.below(8) {
        0 if !bytes.is_empty() => bytes[one] = byte,
        1 => bytes.insert(one, byte),
        2 => drop(bytes.drain(start..end.min(start + 8))),
        3 => {
            let copied = bytes[start..end.min(start + 64)].to_vec();
            insert(bytes, two, &copied);
        }
        4 | 5 => {
            let word = dice.pick(&words.words).map(String::as_bytes).unwrap_or_default();
            insert(bytes, two, word);
        }
        _ => lines(bytes, dice),
    }
}

fn insert(bytes: &mut Vec<u8>, at: usize, some: &[u8]) {
    bytes.splice(at..at, some.iter().copied());
}

/// Takes out, doubles, swaps or indents a line.
fn lines(bytes: &mut Vec<u8>, dice: &mut Dice) {
    let mut lines: Vec<Vec<u8>> = bytes.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    let (one, two) = (dice.below(lines.len()), dice.below(lines.len()));
    match dice.below(5) {
        0 => drop(lines.remove(one)),
        1 => lines.insert(two, lines[one].clone()),
        2 => lines.swap(one, two),
        3 => insert(&mut lines[one], 0, b"  "),
        _ => {
            let indent = lines[one].iter().take_while(|byte| **byte == b' ').count();
            lines[one].drain(..indent.min(2));
        }
    }
    *bytes = lines.join(&b'\n');
}
