//! What logs may hold of a text that a client has written.

use std::ops::Range;

use sallyport_policy::card;

/// In the place of a card number.
const CARD: &str = "[redacted-card-number]";
/// In the place of a token.
const TOKEN: &str = "[redacted-token]";
/// In the place of a segment's parameters, which may hold a session's identifier.
const PARAMETERS: &str = ";[redacted]";
/// As much of a text is shown, in bytes.
const SHOWN: usize = 1024;
/// And as much is looked at: what begins where nothing is shown any longer may have begun before. To look at all that a
/// client may send would cost more than the request is worth.
const LOOKED_AT: usize = SHOWN + 256;

/// A text without what looks like the number of a payment card (PCI DSS 4.0 requirement 3.3) or like a JSON Web Token, and
/// without the parameters of a path's segments (RFC 3986 §3.3). Bytes beyond ASCII stand as `\xNN`. A long text is cut off.
pub(super) fn redacted(text: &[u8]) -> String {
    if is_plain(text) {
        return text.iter().copied().map(char::from).collect();
    }
    let text: String = text.escape_ascii().take(LOOKED_AT).map(char::from).collect();
    let mut found: Vec<(Range<usize>, &str)> =
        card::possible(&text).into_iter().map(|range| (range, CARD)).collect();
    let mut start = 0;
    for segment in text.split('/') {
        let end = start + segment.len();
        // The header of a token is JSON, of which this is the beginning in base64url.
        if let Some(at) = segment.find("eyJ") {
            found.push((start + at..end, TOKEN));
        }
        if let Some(at) = first_of(segment.as_bytes(), b";") {
            found.push((start + at..end, PARAMETERS));
        }
        start = end + 1;
    }
    found.sort_unstable_by_key(|(range, _)| (range.start, std::cmp::Reverse(range.end)));
    let mut shown = String::with_capacity(text.len().min(SHOWN));
    let mut at = 0;
    for (range, word) in found.into_iter().filter(|(range, _)| range.start < SHOWN) {
        if range.start >= at {
            shown.push_str(text.get(at..range.start).unwrap_or_default());
            shown.push_str(word);
        }
        at = at.max(range.end);
    }
    shown.push_str(text.get(at..text.len().min(SHOWN)).unwrap_or_default());
    if text.len() > SHOWN {
        shown.push_str("...");
    }
    shown
}

/// Whether a text is shown as it is, as nearly all are: at a glance, since this is looked at for every request.
fn is_plain(text: &[u8]) -> bool {
    let mut digits = 0;
    let is_plain = |byte: &u8| {
        digits += usize::from(byte.is_ascii_digit());
        byte.is_ascii_graphic() && !matches!(byte, b'%' | b';' | b'\\' | b'"' | b'\'')
    };
    // A card number has at least 13.
    text.len() <= SHOWN
        && text.iter().all(is_plain)
        && digits < 13
        && !text.windows(3).any(|three| three == b"eyJ")
}

/// Where the first of these characters stands, or the first escape of one, however often it is escaped.
pub(super) fn first_of(text: &[u8], characters: &[u8]) -> Option<usize> {
    if !text.iter().any(|byte| *byte == b'%' || characters.contains(byte)) {
        return None;
    }
    let is_one = |at: &usize| {
        let Some(rest) = text.get(*at..) else { return false };
        let [b'%', escaped @ ..] = rest else {
            return rest.first().is_some_and(|byte| characters.contains(byte));
        };
        let mut digits = escaped;
        while let [b'2', b'5', more @ ..] = digits {
            digits = more;
        }
        let digits = digits.get(..2).and_then(|digits| str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        byte.is_some_and(|byte| characters.contains(&byte))
    };
    (0..text.len()).find(is_one)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn card_numbers_tokens_and_parameters_are_left_out() {
        for (text, shown) in [
            ("/payments/4111111111111111", "/payments/[redacted-card-number]"),
            ("/p/4111-1111-1111-1111/x", "/p/[redacted-card-number]/x"),
            ("/p/4111%201111%201111%201111", "/p/[redacted-card-number]"),
            ("/p/4111:1111:1111:1111", "/p/[redacted-card-number]"),
            ("/p/4111,1111,1111,1111/x", "/p/[redacted-card-number]/x"),
            ("/p/4111/1111/1111/1111", "/p/[redacted-card-number]"),
            ("4111111111111111.shop.example", "[redacted-card-number].shop.example"),
            ("/a;jsessionid=SECRET/b;c", "/a;[redacted]/b;[redacted]"),
            ("/a%3Bjsessionid=SECRET", "/a;[redacted]"),
            ("/a%25253bjsessionid=SECRET/b", "/a;[redacted]/b"),
            ("/reset/eyJhbGciOiJub25lIn0.e30./x", "/reset/[redacted-token]/x"),
            ("/reset/t=eyJhbGciOiJub25lIn0.e30.;x", "/reset/t=[redacted-token]"),
            ("/orders/1732710000000", "/orders/1732710000000"),
            ("/", "/"),
            ("", ""),
        ] {
            assert_eq!(redacted(text.as_bytes()), shown, "{text}");
        }
        assert_eq!(redacted(b"/\xff"), "/\\xff");
    }

    #[test]
    fn a_long_text_is_cut_off_and_no_number_with_it() {
        assert_eq!(redacted(&[b'a'; SHOWN]), "a".repeat(SHOWN));
        assert_eq!(redacted(&[b'a'; 60_000]), "a".repeat(SHOWN) + "...");
        for before in SHOWN - 40..SHOWN {
            let text = format!("/{}/4111111111111111/x", "a".repeat(before - 2));
            let shown = redacted(text.as_bytes());
            assert!(shown.contains(CARD) && !shown.contains("4111"), "{shown}");
        }
    }

    proptest! {
        #[test]
        fn the_first_of_some_characters_is_found_however_it_is_escaped(
            before in "[a-z/]{0,8}", times in 0..4_usize, upper in any::<bool>(),
        ) {
            let escape = format!("%{}{}", "25".repeat(times), if upper { "3F" } else { "3f" });
            let text = format!("{before}{escape}x?");
            prop_assert_eq!(first_of(text.as_bytes(), b"?#"), Some(before.len()));
        }

        #[test]
        fn what_is_shown_at_a_glance_is_what_a_search_shows(text in "[/a-z0-9eyJ%;.-]{0,40}") {
            // What follows is looked at, and leaves what was there as it was.
            let searched = redacted(format!("{text}/%20").as_bytes());
            prop_assert_eq!(redacted(text.as_bytes()) + "/%20", searched);
        }

        #[test]
        fn any_bytes_are_shown_within_bounds(text in proptest::collection::vec(any::<u8>(), 0..2000)) {
            prop_assert!(redacted(&text).is_ascii());
        }
    }
}
