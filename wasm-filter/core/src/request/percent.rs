//! Percent-encoding (RFC 3986 §2.1).

use std::borrow::Cow;

/// Whether a byte may stand for itself in a path's segment (RFC 3986 §3.3, `pchar` without `pct-encoded`).
#[must_use]
pub fn is_pchar(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&'..=b',' | b';' | b'=' | b':' | b'@')
}

/// The byte that two hexadecimal digits stand for.
fn byte(high: u8, low: u8) -> Option<u8> {
    let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(high)? << 4 | digit(low)?)
}

/// What the bytes at the start of `rest` stand for, and how many they are. A `%` without two hexadecimal digits is none.
pub(super) fn first(rest: &[u8]) -> Option<(u8, usize)> {
    match rest {
        [b'%', high, low, ..] => byte(*high, *low).map(|byte| (byte, 3)),
        [b'%', ..] | [] => None,
        [byte, ..] => Some((*byte, 1)),
    }
}

/// Decodes once, as bytes. `None` where a `%` has no two hexadecimal digits after it.
#[must_use]
pub(super) fn decode(text: &[u8]) -> Option<Cow<'_, [u8]>> {
    if !text.contains(&b'%') {
        return Some(Cow::Borrowed(text));
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let (byte, len) = first(rest)?;
        decoded.push(byte);
        rest = rest.get(len..)?;
    }
    Some(Cow::Owned(decoded))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_digits_after_a_percent_sign_are_a_byte() {
        for (text, decoded) in [
            ("", Some(&b""[..])),
            ("a+b", Some(b"a+b")),
            ("%41%6a%fF%00", Some(b"Aj\xff\x00")),
            ("%2541", Some(b"%41")),
            ("%", None),
            ("%4", None),
            ("a%4g", None),
            ("%%41", None),
            ("%+1", None),
        ] {
            assert_eq!(decode(text.as_bytes()).as_deref(), decoded, "{text}");
        }
    }
}
