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
    let values = pairs.filter_map(|pair| {
        let at = pair.iter().position(|byte| *byte == b'=');
        let (key, value) = match at {
            Some(at) => (pair.get(..at)?, pair.get(at + 1..)?),
            None => (pair, &[][..]),
        };
        (decode(key).as_deref() == Some(name)).then_some(value)
    });
    match Sole::of(values) {
        Sole::One(value) => decode(value).map_or(Sole::Malformed, Sole::One),
        Sole::Missing => Sole::Missing,
        Sole::Malformed => Sole::Malformed,
    }
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

    proptest! {
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
