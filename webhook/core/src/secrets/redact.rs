//! Text of others, made fit to be kept: what looks like a secret or a payment card's number is taken out.
//!
//! A decision's messages quote what was found, and what was found can be a password in an environment variable or a
//! card number in a label. Text is redacted before it is escaped or cut, for half a card number is not seen for one.

use std::borrow::Cow;

use super::{Found, Kind, Look, card, pattern};

/// The text without what looks like a secret or a card number: `[redacted-card-number]` and the like stand there.
///
/// Redacted text stays as it is when it is redacted again.
#[must_use]
pub fn redact(text: &str) -> Cow<'_, str> {
    let Cow::Owned(mut redacted) = redacted_once(text) else { return Cow::Borrowed(text) };
    // What stood beside a secret may look like one itself, now that it stands alone.
    for _ in 0..ROUNDS {
        let Cow::Owned(further) = redacted_once(&redacted) else { break };
        redacted = further;
    }
    Cow::Owned(redacted)
}

/// How often what is left is looked at again, at most.
const ROUNDS: usize = 4;

fn redacted_once(text: &str) -> Cow<'_, str> {
    let mut found = pattern::find(text, Look::Wary);
    found.extend(card::possible(text).into_iter().map(|range| Found { range, kind: Kind::Card }));
    if found.is_empty() {
        return Cow::Borrowed(text);
    }
    // Where two overlap, the first gives its name: the longest of those that begin at one place.
    found.sort_by_key(|found| (found.range.start, std::cmp::Reverse(found.range.end)));
    let mut redacted = String::with_capacity(text.len());
    let mut end = 0;
    for Found { range, kind } in found {
        if range.start >= end {
            redacted.push_str(text.get(end..range.start).unwrap_or_default());
            redacted.push_str("[redacted-");
            redacted.push_str(kind.name());
            redacted.push(']');
        }
        end = end.max(range.end);
    }
    redacted.push_str(text.get(end..).unwrap_or_default());
    Cow::Owned(redacted)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
            // As logs escape what is between the groups, and as it is escaped twice.
            ("\"4111\\n1111\\n1111\\n1111\"", "\"[redacted-card-number]\""),
            ("4111\\u{a0}1111\\u00a01111\\x201111", "[redacted-card-number]"),
            ("4111\\\\t1111\\\\t1111\\\\t1111", "[redacted-card-number]"),
            ("4111%201111%201111%201111", "[redacted-card-number]"),
            ("4111----1111----1111----1111", "[redacted-card-number]"),
            ("4111, 1111, 1111, 1111", "[redacted-card-number]"),
            ("4111:1111:1111:1111", "[redacted-card-number]"),
            ("3782,822463,10005", "[redacted-card-number]"),
            ("４１１１１１１１１１１１１１１１", "[redacted-card-number]"),
            ("٤١١١ ١١١١ ١١١١ ١١١١", "[redacted-card-number]"),
            ("%B4111111111111111^DOE/J^2512", "%B[redacted-card-number]^DOE/J^2512"),
            ("key wJalrXUtnFEMI/K7MDENG/bPxRfiCYabcdefgh12.", "key [redacted-aws-key]."),
            (
                "https://hooks.slack.com/services/T0AAAAAAA/B0/x",
                "https://hooks.slack.com/services/[redacted-token]",
            ),
            ("LS0tLS1CRUdJTiBQR1AgUFJJVkFURSBLRVkg in env", "[redacted-pem] in env"),
            ("AGE-SECRET-KEY-1QQPQ is", "[redacted-pem] is"),
            ("shop:hunter2@tcp(db:3306)/shop", "shop:[redacted-password]@tcp(db:3306)/shop"),
            ("AccountName=a;AccountKey=abcdef==", "AccountName=a;AccountKey=[redacted-secret]"),
            ("{\"password\":\"x\"}", "{\"password\":\"[redacted-secret]\"}"),
            ("{\\\"dbPassword\\\": \\\"x y\\\"}", "{\\\"dbPassword\\\": \\\"[redacted-secret]\\\"}"),
            ("{\"token\": 12345}", "{\"token\": [redacted-secret]}"),
            ("password: hunter2", "password: [redacted-secret]"),
            ("password=\"hunter two\"", "password=\"[redacted-secret]\""),
            ("password = 'hunter two'", "password = '[redacted-secret]'"),
            ("token: 0123456789abcdef", "token: [redacted-secret]"),
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
            "ports 8080, 8443, 9090, 9443",
            "password: found a literal; expected a reference",
            "sk-learn, hf_transfer, npm_config and xoxo-hugs",
            "seen at 8a3f2b1c-0e4d-4f6a-9b7c-1d2e3f4a5b6c",
        ] {
            assert!(matches!(redact(text), Cow::Borrowed(same) if same == text), "{}", redact(text));
        }
    }

    #[test]
    fn every_token_that_a_value_is_refused_for_is_taken_out() {
        for (begin, length, of, _) in super::super::token::TOKENS {
            let digits = if of == super::super::token::Of::Hexadecimal { "a1" } else { "aZ" };
            let body: String = digits.chars().cycle().take(length).collect();
            let text = format!("found \"{begin}{body}\" there");
            assert!(super::super::shape(&format!("{begin}{body}")).is_some(), "{text}");
            assert_eq!(redact(&text), "found \"[redacted-token]\" there", "{text}");
        }
    }

    /// Whether a card number could be read off the text.
    fn holds_a_card_number(text: &str) -> bool {
        !card::possible(text).is_empty()
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
