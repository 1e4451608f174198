//! Parameters of a query.

use std::borrow::Cow;

use super::{Sole, percent};

/// The parameter `name` of a query: pairs `name=value` between `&`, both percent-encoded, with `+` for a space, as HTML
/// forms write them (WHATWG URL §5.1). A pair without `=` has an empty value.
///
/// Malformed where the name comes more than once, or where the value can't be decoded.
#[must_use]
pub fn parameter<'a>(query: Option<&'a [u8]>, name: &[u8]) -> Sole<Cow<'a, [u8]>> {
    let pairs = query.unwrap_or_default().split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
    let pairs = pairs.map(split);
    match Sole::of(pairs.filter(|(key, _)| is_name(key, name)).map(|(_, value)| value)) {
        Sole::One(value) => decode(value).map_or(Sole::Malformed, Sole::One),
        Sole::Missing => Sole::Missing,
        Sole::Malformed => Sole::Malformed,
    }
}

/// A query without the parameters whose decoded names are `taken`, all else being as it was; with `;` between pairs too,
/// as some servers have it. `None`: there are none.
#[must_use]
pub fn without_parameters(query: &[u8], taken: impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
    let is_taken = |pair: &[u8]| decode(split(pair).0).is_some_and(|name| taken(&name));
    let mut kept: Option<Vec<u8>> = None;
    let mut has_taken = false;
    let mut rest = query;
    let mut separator: &[u8] = b"";
    loop {
        let end = rest.iter().position(|byte| matches!(byte, b'&' | b';')).unwrap_or(rest.len());
        let (pair, behind) = rest.split_at_checked(end)?;
        if is_taken(pair) {
            has_taken = true;
        } else {
            match &mut kept {
                Some(kept) => kept.extend(separator.iter().chain(pair)),
                None => kept = Some(pair.to_vec()),
            }
        }
        let Some((between, behind)) = behind.split_at_checked(1) else { break };
        (separator, rest) = (between, behind);
    }
    has_taken.then(|| kept.unwrap_or_default())
}

/// The name and the value of a pair, encoded.
fn split(pair: &[u8]) -> (&[u8], &[u8]) {
    let at = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
    (pair.get(..at).unwrap_or_default(), pair.get(at + 1..).unwrap_or_default())
}

fn is_name(key: &[u8], name: &[u8]) -> bool {
    decode(key).as_deref() == Some(name)
}

fn decode(text: &[u8]) -> Option<Cow<'_, [u8]>> {
    if text.contains(&b'+') {
        let spaced: Vec<u8> = text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
        percent::decode(&spaced).map(|decoded| Cow::Owned(decoded.into_owned()))
    } else {
        percent::decode(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_only_parameter_of_a_name_is_found() {
        let one = |value: &'static str| Sole::One(value.as_bytes());
        for (query, wanted) in [
            ("", Sole::Missing),
            ("a=1", one("1")),
            ("b=2&a=1&c", one("1")),
            ("a", one("")),
            ("a=", one("")),
            ("a==1=", one("=1=")),
            ("%61=%31+%2B", one("1 +")),
            ("a=1&a=1", Sole::Malformed),
            ("a=1&%61=2", Sole::Malformed),
            ("a=1&a", Sole::Malformed),
            ("a=%", Sole::Malformed),
            ("%=1&a=2", one("2")),
            ("aa=1&A=2", Sole::Missing),
            ("&&a=1&", one("1")),
            ("a=1;a=2", one("1;a=2")),
            ("a=1#", one("1#")),
        ] {
            let found = match parameter(Some(query.as_bytes()), b"a") {
                Sole::One(ref value) => Sole::One(value.to_vec()),
                Sole::Missing => Sole::Missing,
                Sole::Malformed => Sole::Malformed,
            };
            let wanted = match wanted {
                Sole::One(value) => Sole::One(value.to_vec()),
                Sole::Missing => Sole::Missing,
                Sole::Malformed => Sole::Malformed,
            };
            assert_eq!(found, wanted, "{query}");
        }
        assert_eq!(parameter(None, b"a"), Sole::Missing);
    }

    #[test]
    fn every_spelling_of_a_parameter_is_taken_away_and_nothing_else() {
        for (query, wanted) in [
            ("a+b=1&c=2", Some("c=2")),
            ("x&a%20b=1&%61+%62&y=+%20&", Some("x&y=+%20&")),
            ("a b=1&a+B=2&%=3", Some("a+B=2&%=3")),
            ("x=1;a+b=2;y=3&d", Some("x=1;y=3")),
            ("&a+b&", Some("&")),
            ("a+b=1", Some("")),
            ("d=1&c=2", Some("c=2")),
            ("c=2", None),
            ("", None),
        ] {
            let left = without_parameters(query.as_bytes(), |name| matches!(name, b"a b" | b"d"));
            assert_eq!(left.as_deref(), wanted.map(str::as_bytes), "{query}");
        }
    }

    proptest! {
        #[test]
        fn a_parameter_that_is_taken_away_is_found_no_more(query in "[ab+%20&=]{0,16}", name in "[ab ]{1,2}") {
            let left = without_parameters(query.as_bytes(), |other| other == name.as_bytes());
            let is_there = parameter(Some(query.as_bytes()), name.as_bytes()) != Sole::Missing;
            prop_assert_eq!(left.is_some(), is_there);
            prop_assert_eq!(parameter(left.as_deref(), name.as_bytes()), Sole::Missing);
        }

        #[test]
        fn whatever_is_encoded_is_found_again(
            pairs in proptest::collection::vec((any::<Vec<u8>>(), any::<Vec<u8>>()), 0..6),
        ) {
            let encode = |text: &[u8]| text.iter().map(|byte| format!("%{byte:02x}")).collect::<String>();
            let query: Vec<_> = pairs.iter().map(|(name, value)| encode(name) + "=" + &encode(value)).collect();
            let query = query.join("&");
            for (name, value) in &pairs {
                let several = pairs.iter().filter(|(other, _)| other == name).count() > 1;
                let found = parameter(Some(query.as_bytes()), name);
                prop_assert_eq!(found, if several { Sole::Malformed } else { Sole::One(value.into()) });
            }
        }

        #[test]
        fn any_query_is_read(query in any::<Vec<u8>>(), name in any::<Vec<u8>>()) {
            let found = parameter(Some(&query), &name);
            prop_assert!(found == Sole::Missing || !query.is_empty());
        }
    }
}
