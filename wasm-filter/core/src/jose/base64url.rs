//! base64url without padding (RFC 7515 §2, RFC 4648 §5).

use base64ct::{Base64UrlUnpadded, Encoding};

/// The bytes that a text stands for, if it is their one encoding: only letters of the alphabet, no padding, no white
/// space, and the bits beyond the last byte zero (RFC 4648 §3.3, §3.5).
#[must_use]
pub fn decode(text: &[u8]) -> Option<Vec<u8>> {
    Base64UrlUnpadded::decode_vec(str::from_utf8(text).ok()?).ok()
}

/// The one encoding of bytes.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{decode, encode};

    #[test]
    fn what_is_decoded_is_its_one_encoding() {
        // Every text of up to three letters, where all that can be wrong with the last ones is.
        for one in 0..=u8::MAX {
            assert_eq!(decode(&[one]), None);
            for two in 0..=u8::MAX {
                check(&[one, two]);
                check(&[b'A', one, two]);
                check(&[b'A', b'B', one, two]);
                check(&[b'A', b'B', b'C', b'D', one, two]);
            }
        }
    }

    #[track_caller]
    fn check(text: &[u8]) {
        if let Some(bytes) = decode(text) {
            assert_eq!(encode(&bytes).as_bytes(), text);
        }
    }

    #[test]
    fn padding_white_space_other_alphabets_and_trailing_bits_are_refused() {
        assert_eq!(decode(b""), Some(Vec::new()));
        assert_eq!(decode(b"-_8"), Some(vec![0xfb, 0xff]));
        for text in [
            "A", "AAAAA", "AA=", "AA==", "AAA=", "AAAA=", "AAAA====", "=", "A A", "AAAA\n", "\nAAAA",
            "AA\r\nAA", "+_8", "-/8", "AB", "AAB", "-_9", "AA.AA", "AAAé", "AA\0A", "AAA\0",
        ] {
            assert_eq!(decode(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(decode(b"AA\xffA"), None);
    }

    proptest! {
        #[test]
        fn bytes_come_back(bytes: Vec<u8>) {
            prop_assert_eq!(decode(encode(&bytes).as_bytes()), Some(bytes));
        }

        #[test]
        fn any_text_is_the_one_encoding_or_none(text in "[A-Za-z0-9_=+/ -]{0,24}") {
            check(text.as_bytes());
        }
    }
}
