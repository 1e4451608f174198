//! Text of others, made fit to be kept: what looks like a secret or a payment card's number is taken out.
//!
//! A decision's messages quote what was found, and what was found can be a password in an environment variable or a
//! card number in a label. Text is redacted before it is escaped or cut, for half a card number is not seen for one.

use std::borrow::Cow;

use sallyport_policy::card;

use super::{Found, Kind, Look, pattern};

/// The text without what looks like a secret or a card number: `[redacted-card-number]` and the like stand there.
///
/// Redacted text stays as it is when it is redacted again.
#[must_use]
pub fn redact(text: &str) -> Cow<'_, str> {
    match redacted(text, text.len()) {
        Some((redacted, _)) => Cow::Owned(redacted),
        None => Cow::Borrowed(text),
    }
}

/// The first `bytes` of a text, or up to three less, without what looks like a secret or a card number, and whether
/// there is more of the text. No more of a long text is looked at than it takes to see what the cut would go through,
/// unless that is longer than 4 KiB.
#[must_use]
pub fn redact_start(text: &str, bytes: usize) -> (Cow<'_, str>, bool) {
    let end = text.floor_char_boundary(bytes);
    let window = text.floor_char_boundary(end.saturating_add(LONGEST));
    let window = text.get(..window).unwrap_or(text);
    let start = match redacted(window, end) {
        Some((mut redacted, end)) => {
            redacted.truncate(end);
            Cow::Owned(redacted)
        }
        None => Cow::Borrowed(window.get(..end).unwrap_or(window)),
    };
    (start, end < text.len())
}

/// The longest secret that a cut is kept from going through, in bytes: a token, a password in a URL. Of a PEM block the
/// beginning is enough.
const LONGEST: usize = 4096;

/// How often what is left is looked at again, at most: what stood beside a secret may look like one itself, now that it
/// stands alone.
const ROUNDS: usize = 5;

/// The redacted text, and what has become of a place in it; `None` where nothing was taken out.
fn redacted(text: &str, place: usize) -> Option<(String, usize)> {
    let mut last = redacted_once(text, place)?;
    for _ in 1..ROUNDS {
        let Some(further) = redacted_once(&last.0, last.1) else { break };
        last = further;
    }
    Some(last)
}

/// A place within what is taken out becomes the one behind what stands for it.
fn redacted_once(text: &str, place: usize) -> Option<(String, usize)> {
    let mut found = pattern::find(text, Look::Wary);
    found.extend(card::possible(text).into_iter().map(|range| Found { range, kind: Kind::Card }));
    if found.is_empty() {
        return None;
    }
    // Where two overlap, the first gives its name: the longest of those that begin at one place.
    found.sort_by_key(|found| (found.range.start, std::cmp::Reverse(found.range.end)));
    let mut redacted = String::with_capacity(text.len());
    let mut end = 0;
    let mut at = None;
    for Found { range, kind } in found {
        if range.start >= end {
            if place <= range.start {
                at.get_or_insert(redacted.len() + place.saturating_sub(end));
            }
            redacted.push_str(text.get(end..range.start).unwrap_or_default());
            redacted.push_str("[redacted-");
            redacted.push_str(kind.name());
            redacted.push(']');
        }
        end = end.max(range.end);
        if place <= end {
            at.get_or_insert(redacted.len());
        }
    }
    let at = at.unwrap_or(redacted.len() + place.saturating_sub(end));
    redacted.push_str(text.get(end..).unwrap_or_default());
    Some((redacted, at))
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
            ("0004111111111111111999", "000[redacted-card-number]999"),
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
            ("/public/4111:1111:1111:1111", "/public/[redacted-card-number]"),
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
            ("postgres://app:aB3/xYz+9kQ@db/orders", "postgres://app:[redacted-password]@db/orders"),
            ("redis://:hun/ter2secret@h:6379/0", "redis://:[redacted-password]@h:6379/0"),
            ("postgres://a:p@ss/word@h", "postgres://a:[redacted-password]@h"),
            ("smtp://me@example.com:hunter2@mail", "smtp://me@example.com:[redacted-password]@mail"),
            ("x?password%3Dhunter2", "x?password%3D[redacted-secret]"),
            ("pass=hunter2secret", "pass=[redacted-secret]"),
            ("api-key: abcdefghijk", "api-key: [redacted-secret]"),
            ("password:hunter2", "password:[redacted-secret]"),
            ("--password hunter2hunter", "--password [redacted-password]"),
            ("[\"--password\", \"hunter2\"]", "[\"--password\", \"[redacted-password]\"]"),
            ("curl -u bob:hunter2 x", "curl -u bob:[redacted-password] x"),
            ("eyJhbGciOiJIUzI1NiJ9%2EeyJzdWIiOiJqbyJ9%2Ec2ln.", "[redacted-jwt]"),
            ("-----BEGIN\u{a0}PRIVATE KEY-----MII", "[redacted-pem]"),
        ] {
            assert_eq!(redact(text), want);
        }
    }

    #[test]
    fn a_card_number_is_taken_out_whatever_parts_its_digits() {
        let groups = ["4111", "1111", "1111", "1111"];
        for between in [
            "+",
            "%2B",
            "&nbsp;",
            "&#160;",
            "&#xa0;",
            "<br>",
            "<br/>",
            "</td><td>",
            "*",
            "~",
            "=",
            "&",
            "#",
            " - - - - - ",
            "\\u0026",
            ")(",
            "\"",
            "','",
            "\",\"",
            "\", \"",
            "%C2%A0",
            "\u{332}",
            "            ",
            "!?",
            "$",
            " + ",
        ] {
            let text = format!("found {} there", groups.join(between));
            assert_eq!(redact(&text), "found [redacted-card-number] there", "{text}");
        }
        let digits: Vec<String> = "4111111111111111".chars().map(String::from).collect();
        for between in [",", ", ", " ", ".", "\",\"", "\", \"", "%20"] {
            let text = format!("found {} there", digits.join(between));
            assert_eq!(redact(&text), "found [redacted-card-number] there", "{text}");
        }
        let of_thai = |zero: u32| {
            let digits = "4111111111111111".bytes().map(|digit| u32::from(digit - b'0') + zero);
            digits.filter_map(char::from_u32).collect::<String>()
        };
        for text in [
            of_thai(0xe50),
            of_thai(0xae6),
            of_thai(0x1e950),
            "④①①①①①①①①①①①①①①①".to_owned(),
            "⁴¹¹¹¹¹¹¹¹¹¹¹¹¹¹¹".to_owned(),
            "%D9%A4%D9%A1".to_owned() + &of_thai(0x660)[4..],
        ] {
            assert_eq!(redact(&text), "[redacted-card-number]", "{text}");
        }
    }

    #[test]
    fn what_only_has_many_digits_stays() {
        for text in [
            "1764243584123 and 1700000000000",
            "resourceVersion 1001234567890",
            "2026-11-27T05:53:13.123456Z",
            "found \"15090,15021,15020,8080\"; wanted none but the proxy's own",
            "[8080, 8443, 9090, 9443, 15001, 15006]",
            "10.96.0.1, 10.96.0.10, 10.244.0.0/16, fd00:10:244::/56",
            "limits 1073741824, 2147483648, 500m, 17179869184",
            "1001:1001:1001:1001 1000:1000",
            "52:54:00:12:34:56",
            "0 3 * * 1-5, */10 8-18 1,15 * *",
            "00000000-0000-0000-0000-000000000000",
        ] {
            assert_eq!(redact(text), text);
        }
    }

    #[test]
    fn the_start_of_a_text_is_redacted_as_if_all_of_it_was_there() {
        let check = |text: &str, bytes: usize, want: &str, cut: bool| {
            let (start, is_cut) = redact_start(text, bytes);
            assert_eq!((&*start, is_cut), (want, cut), "{text}");
        };
        check("found 4111111111111111 there", 10, "found [redacted-card-number]", true);
        check("found 4111111111111111 there", 6, "found ", true);
        check("found 4111111111111111 there", 22, "found [redacted-card-number]", true);
        check("found 4111111111111111 there", 24, "found [redacted-card-number] t", true);
        check("found 4111111111111111 there", 100, "found [redacted-card-number] there", false);
        check("plain", 3, "pla", true);
        check("plain", 5, "plain", false);
        check("ééé", 3, "é", true);
        let url = format!("postgres://app:{}@db", "x".repeat(1000));
        check(&url, 64, "postgres://app:[redacted-password]", true);
        let pem = format!("-----BEGIN PRIVATE KEY-----{}", "MII".repeat(10_000));
        check(&pem, 64, "[redacted-pem]", true);
        // No more of it is looked at than it takes.
        let long = "4111111111111111".repeat(180_000);
        let (start, _) = redact_start(&long, 128);
        assert!(start.len() < 512 && !start.contains(|c: char| c.is_ascii_digit()), "{start}");
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
        fn card()(
            issuer in prop::sample::select(&["4|13", "36|14", "37|15", "4|16", "55|16", "2221|16", "62|17", "58|18", "4|19", "62|19"][..]),
            digits in prop::collection::vec(0_u8..10, 19),
            gaps in prop::collection::vec("[ +*~#-]?", 19),
        ) -> (String, String) {
            let (prefix, length) = issuer.split_once('|').unwrap();
            let length: usize = length.parse().unwrap();
            let prefix = prefix.bytes().map(|digit| digit - b'0');
            let digits = with_check_digit(prefix.chain(digits).take(length - 1).collect());
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
