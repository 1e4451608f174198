//! Text of others, made fit to be kept: what looks like a secret or a payment card's number is taken out.
//!
//! A decision's messages quote what was found, and what was found can be a password in an environment variable or a
//! card number in a label. Whoever sent it may be told; a log that is kept for years must not hold it (PCI DSS 4.0
//! requirement 3.3, and 10.3 for the logs themselves). Nothing here knows what is a secret, only what looks like one:
//! it takes too much rather than too little.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

/// The digits of a card number (ISO/IEC 7812-1: at most 19; the shortest that are in use have 13).
const CARD_DIGITS: std::ops::RangeInclusive<usize> = 13..=19;
/// What may stand between two digits of a card number: as people write them, and as logs escape them.
const GAP: usize = 3;

/// What looks like a secret, by the name that stands in its place. Of a match, the group `s` is the secret, where
/// there is one.
const SECRETS: [(&str, &str); 9] = [
    ("pem", r"-----BEGIN [A-Z0-9 ]+-----(?s:.*?)(?:-----END [A-Z0-9 ]+-----|\z)"),
    // RFC 7515: a JSON object in base64url begins so.
    ("jwt", r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_.-]*)?"),
    ("aws-key", r"(?:AKIA|ASIA|ABIA|ACCA|AGPA|AIDA|AROA|AIPA|ANPA|ANVA)[A-Z0-9]{16}"),
    (
        "token",
        r"(?:gh[pousr]_|github_pat_|glpat-|xox[abeoprs]-|npm_|pypi-|dop_v1_|hvs\.|[rs]k_(?:live|test)_)[A-Za-z0-9_-]{16,}",
    ),
    ("token", r"AIza[A-Za-z0-9_-]{35}"),
    // RFC 6750: b64token.
    ("bearer-token", r"(?i:bearer)[\s:=]+(?P<s>[A-Za-z0-9._~+/-]{16,}=*)"),
    // RFC 7617: user and password in base64.
    ("basic-credentials", r"(?i:basic)[\s:=]+(?P<s>[A-Za-z0-9+/]{16,}=*)"),
    // RFC 3986 section 3.2.1.
    ("password", r"://[^\s/:@]*:(?P<s>[^\s/@\[]+)@"),
    (
        "secret",
        r#"(?i:passwor[dt]|passwd|pwd|secret|token|api_?-?key|access_?-?key)["']?=["']?(?P<s>[^\s"'&,;\[]+)"#,
    ),
];

static PATTERNS: LazyLock<Vec<(&str, Regex)>> = LazyLock::new(|| {
    SECRETS.iter().filter_map(|(name, pattern)| Some((*name, Regex::new(pattern).ok()?))).collect()
});

/// Any of them: most texts hold none, and are looked at once.
static ANY: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let all: Vec<String> = SECRETS.iter().map(|(_, pattern)| pattern.replace("(?P<s>", "(?:")).collect();
    Regex::new(&all.join("|")).ok()
});

/// The text without what looks like a secret or a card number: `[redacted-card-number]` and the like stand there.
///
/// Redacted text stays as it is when it is redacted again.
pub(crate) fn redact(text: &str) -> Cow<'_, str> {
    let mut found: Vec<(Range<usize>, &str)> =
        card_numbers(text).map(|range| (range, "card-number")).collect();
    let suspect = ANY.as_ref().is_none_or(|any| any.is_match(text));
    for (name, pattern) in PATTERNS.iter().filter(|_| suspect) {
        found.extend(pattern.captures_iter(text).filter_map(|captures| {
            let secret = captures.name("s").or_else(|| captures.get(0))?;
            Some((secret.range(), *name))
        }));
    }
    if found.is_empty() {
        return Cow::Borrowed(text);
    }
    // Where two overlap, the first gives its name: the longest of those that begin at one place.
    found.sort_by_key(|(range, _)| (range.start, std::cmp::Reverse(range.end)));
    let mut redacted = String::with_capacity(text.len());
    let mut end = 0;
    for (range, name) in found {
        if range.start >= end {
            redacted.push_str(text.get(end..range.start).unwrap_or_default());
            redacted.push_str("[redacted-");
            redacted.push_str(name);
            redacted.push(']');
        }
        end = end.max(range.end);
    }
    redacted.push_str(text.get(end..).unwrap_or_default());
    Cow::Owned(redacted)
}

/// The places of digits that could be a card number's: wherever as many as one has in a row have its check digit.
fn card_numbers(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut rows = Vec::new();
    if text.bytes().filter(u8::is_ascii_digit).count() < *CARD_DIGITS.start() {
        return rows.into_iter();
    }
    let mut row: Vec<(usize, u8)> = Vec::new();
    let mut gap = 0;
    for (at, c) in text.char_indices() {
        if let Some(digit) = c.to_digit(10) {
            row.push((at, u8::try_from(digit).unwrap_or_default()));
            gap = 0;
        } else if gap < GAP && is_gap(c) {
            gap += 1;
        } else {
            checked(&mut row, &mut rows);
        }
    }
    checked(&mut row, &mut rows);
    rows.into_iter()
}

/// What people, spreadsheets and copied text have between groups of digits. No comma, which ends one number and begins
/// the next.
fn is_gap(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(c, '-' | '.' | '_' | '/' | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2010}'..='\u{2015}')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{2212}' | '\u{feff}')
}

/// Finds what of a row of digits passes the check of ISO/IEC 7812-1 annex B (Luhn), and empties the row.
///
/// `doubled[parity][n]` is the sum of the first `n` digits where those at places of this parity count double, so any
/// stretch of the row is checked by one subtraction.
fn checked(row: &mut Vec<(usize, u8)>, found: &mut Vec<Range<usize>>) {
    let digits = std::mem::take(row);
    if digits.len() < *CARD_DIGITS.start() {
        return;
    }
    let mut doubled = [vec![0_u32], vec![0_u32]];
    for (place, (_, digit)) in digits.iter().enumerate() {
        for (parity, sums) in doubled.iter_mut().enumerate() {
            let value = u32::from(*digit) * if place % 2 == parity { 2 } else { 1 };
            let last = sums.last().copied().unwrap_or_default();
            sums.push(last + value / 10 + value % 10);
        }
    }
    // The last digit of a number counts once, the one before it double.
    let passes = |first: usize, end: usize| {
        let sums = &doubled[end % 2];
        (sums[end] - sums[first]) % 10 == 0
    };
    for first in 0..=digits.len() - CARD_DIGITS.start() {
        let longest = CARD_DIGITS
            .rev()
            .map(|length| first + length)
            .find(|end| *end <= digits.len() && passes(first, *end));
        if let Some(end) = longest {
            let (from, to) = (digits[first].0, digits[end - 1].0 + 1);
            match found.last_mut() {
                Some(last) if from < last.end => last.end = last.end.max(to),
                _ => found.push(from..to),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_pattern_is_one() {
        assert_eq!(PATTERNS.len(), SECRETS.len());
        assert!(ANY.is_some());
    }

    #[test]
    fn what_looks_like_a_secret_or_a_card_number_is_taken_out() {
        for (text, want) in [
            ("label card has 4111111111111111", "label card has [redacted-card-number]"),
            (
                "4111 1111 1111 1111, and 5500-0000-0000-0004",
                "[redacted-card-number], and [redacted-card-number]",
            ),
            ("x3782 822463 10005y", "x[redacted-card-number]y"),
            ("4111\u{a0}1111\u{2011}1111.1111", "[redacted-card-number]"),
            ("4111\n  1111\n  1111\n  1111", "[redacted-card-number]"),
            // Digits beside a number, without anything between, hide it from nobody.
            ("0004111111111111111999", "[redacted-card-number]"),
            ("AKIAIOSFODNN7EXAMPLE is set", "[redacted-aws-key] is set"),
            (
                "found eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJqbyJ9.c2lnbmF0dXJl in env",
                "found [redacted-jwt] in env",
            ),
            ("Authorization: Bearer abcdefghij0123456789==", "Authorization: Bearer [redacted-bearer-token]"),
            (
                "authorization: basic am86aHVudGVyMmh1bnRlcjI=",
                "authorization: basic [redacted-basic-credentials]",
            ),
            ("a -----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY----- b", "a [redacted-pem] b"),
            ("-----BEGIN PRIVATE KEY-----\\nMIICdgIBADANBg…", "[redacted-pem]"),
            ("postgres://app:hunter2@db/orders", "postgres://app:[redacted-password]@db/orders"),
            ("DB_PASSWORD=hunter2 is literal", "DB_PASSWORD=[redacted-secret] is literal"),
            ("ghp_0123456789abcdefghijABCDEFGHIJ012345", "[redacted-token]"),
            ("sk_live_0123456789abcdefghij", "[redacted-token]"),
        ] {
            assert_eq!(redact(text), want);
        }
    }

    #[test]
    fn what_messages_say_otherwise_stays() {
        for text in [
            "",
            "found true; expected false",
            "spec.containers[api].image: docker.io/library/nginx:1.27.3 is not from registry.example.com",
            "runAsUser=1000 and fsGroup=4294967295",
            "expected a bearer token of the named service account",
            "token: found a literal; expected secretKeyRef",
            "10.0.0.1, 10.0.0.2 and 192.168.100.200",
            "2026-11-21T05:53:13Z",
            "4111 1111 1111",
            "seen at 8a3f2b1c-0e4d-4f6a-9b7c-1d2e3f4a5b6c",
        ] {
            assert!(matches!(redact(text), Cow::Borrowed(same) if same == text), "{}", redact(text));
        }
    }

    /// Whether a card number could be read off the text.
    fn holds_a_card_number(text: &str) -> bool {
        card_numbers(text).next().is_some()
    }

    /// A number that passes the check.
    fn with_check_digit(mut digits: Vec<u8>) -> Vec<u8> {
        let sum: u32 = digits
            .iter()
            .rev()
            .enumerate()
            .map(|(place, digit)| {
                let value = u32::from(*digit) * if place % 2 == 0 { 2 } else { 1 };
                value / 10 + value % 10
            })
            .sum();
        digits.push(u8::try_from((10 - sum % 10) % 10).unwrap());
        digits
    }

    prop_compose! {
        fn card()(digits in prop::collection::vec(0_u8..10, 12..19), gaps in prop::collection::vec("[ -]?", 19)) -> (String, String) {
            let digits = with_check_digit(digits);
            let bare = digits.iter().map(|digit| char::from(b'0' + digit)).collect();
            let written = digits.iter().zip(gaps).map(|(digit, gap)| format!("{digit}{gap}")).collect::<String>();
            (bare, written.trim_end_matches([' ', '-']).to_owned())
        }
    }

    proptest! {
        #[test]
        fn a_card_number_in_any_place_of_any_text_is_gone((bare, written) in card(), before in ".{0,40}", after in ".{0,40}") {
            let text = format!("{before}{written}{after}");
            let shown = redact(&text);
            let digits: String = shown.chars().filter(char::is_ascii_digit).collect();
            let around: String = format!("{before} {after}").chars().filter(char::is_ascii_digit).collect();
            prop_assert!(!holds_a_card_number(&shown), "{shown}");
            prop_assert!(!shown.contains(&bare) && !shown.contains(&written), "{shown}");
            prop_assert!(around.contains(&bare) || !digits.contains(&bare), "{shown}");
        }

        #[test]
        fn what_is_redacted_stays_as_it_is(text in r#"([0-9 -]{0,30}|password=|token=|Bearer |://a:|@|eyJ|-----BEGIN A-----|[a-zA-Z0-9._-]{0,30}|\PC{0,10}){0,8}"#) {
            let once = redact(&text).into_owned();
            prop_assert_eq!(&*redact(&once), once.as_str());
        }
    }
}
