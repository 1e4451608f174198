//! What of a token may stand in a header.

use std::borrow::Cow;

/// Finds the claim of a provider's valid token, by the names that lead to it, as text.
pub type FindClaim<'a> = &'a dyn Fn(&str, &[String]) -> Option<Cow<'a, [u8]>>;

/// The value, if a header can hold it so that its reader gets just this: visible ASCII, and spaces within it (RFC 9110
/// §5.5). Bytes beyond ASCII are read by some as Latin-1 and by others as UTF-8, and spaces around it are dropped: a
/// name must not become another on its way.
#[must_use]
pub fn as_header_value(value: &[u8]) -> Option<&[u8]> {
    let visible = value.iter().all(|byte| matches!(byte, b' '..=b'~'));
    let whole = value.first().is_some_and(|first| *first != b' ') && value.last() != Some(&b' ');
    (visible && whole).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_arrives_as_it_was_sent_is_a_value() {
        for (value, good) in [
            (&b"a"[..], true),
            (b"a b", true),
            (b"!~", true),
            (b"", false),
            (b" ", false),
            (b" a", false),
            (b"a ", false),
            (b"a\tb", false),
            (b"a\r\nb: c", false),
            (b"a\0", false),
            (b"a\x7f", false),
            ("é".as_bytes(), false),
            (b"\xff", false),
        ] {
            assert_eq!(as_header_value(value).is_some(), good, "{value:?}");
        }
    }
}
