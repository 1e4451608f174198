//! The little of DER (X.690) that signatures and public keys are written in.

/// The tag of INTEGER.
pub(super) const INTEGER: u8 = 0x02;
/// The tag of BIT STRING.
pub(super) const BIT_STRING: u8 = 0x03;
/// The tag of SEQUENCE.
pub(super) const SEQUENCE: u8 = 0x30;

/// An element of this tag with this content.
pub(super) fn element(tag: u8, content: &[&[u8]]) -> Vec<u8> {
    let length: usize = content.iter().map(|part| part.len()).sum();
    let mut element = Vec::with_capacity(length + 6);
    element.push(tag);
    let bytes = length.to_be_bytes();
    let first = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    let bytes = bytes.get(first..).unwrap_or_default();
    match (bytes, u8::try_from(bytes.len())) {
        ([], _) => element.push(0),
        ([short @ ..0x80], _) => element.push(*short),
        // Lengths have no more than eight bytes.
        (_, count) => {
            element.push(0x80 | count.unwrap_or_default());
            element.extend_from_slice(bytes);
        }
    }
    for part in content {
        element.extend_from_slice(part);
    }
    element
}

/// A number that is not negative, of big-endian bytes.
pub(super) fn unsigned(bytes: &[u8]) -> Vec<u8> {
    let first = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    let bytes = bytes.get(first..).unwrap_or_default();
    // A leading zero keeps the sign away; zero itself is one byte.
    let zero: &[u8] = if bytes.first().is_none_or(|byte| *byte >= 0x80) { &[0] } else { &[] };
    element(INTEGER, &[zero, bytes])
}

/// The content of the element of this tag that bytes start with, and what follows it. Whether its length is written as
/// DER wants it is not looked at: whoever reads must write what was read again, and compare.
pub(super) fn split(tag: u8, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.strip_prefix(&[tag])?.split_first()?;
    let (length, rest) = match length {
        0..0x80 => (usize::from(*length), rest),
        _ => {
            let (length, rest) =
                rest.split_at_checked(usize::from(length & 0x7f)).filter(|(of, _)| of.len() <= 3)?;
            (length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::{INTEGER, element, split, unsigned};

    #[test]
    fn lengths_are_as_short_as_they_can_be() {
        let want: [(usize, &[u8]); 9] = [
            (0, &[0]),
            (1, &[1]),
            (127, &[127]),
            (128, &[0x81, 128]),
            (255, &[0x81, 255]),
            (256, &[0x82, 1, 0]),
            (257, &[0x82, 1, 1]),
            (65_535, &[0x82, 255, 255]),
            (65_536, &[0x83, 1, 0, 0]),
        ];
        for (length, head) in want {
            let content = vec![0xab; length];
            let wrote = element(4, &[&content]);
            assert_eq!(wrote, [&[4], head, content.as_slice()].concat());
            let followed = [wrote.as_slice(), b"more"].concat();
            assert_eq!(split(4, &followed), Some((content.as_slice(), b"more".as_slice())));
            assert_eq!(
                split(4, wrote.get(..wrote.len() - 1).unwrap()).map(|(content, _)| content.len()),
                None
            );
        }
    }

    #[test]
    fn numbers_are_as_short_as_they_can_be_and_not_negative() {
        let want: [(&[u8], &[u8]); 7] = [
            (&[], &[0]),
            (&[0, 0], &[0]),
            (&[0, 1], &[1]),
            (&[0x7f], &[0x7f]),
            (&[0x80], &[0, 0x80]),
            (&[0, 0xff, 0], &[0, 0xff, 0]),
            (&[0x01, 0], &[0x01, 0]),
        ];
        for (bytes, content) in want {
            assert_eq!(unsigned(bytes), element(INTEGER, &[content]), "{bytes:?}");
        }
    }
}
