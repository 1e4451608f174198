//! Cookies.

use super::{HeaderList, Sole};

/// The cookie `name`, of all Cookie headers (RFC 9113 §8.2.3 lets clients split one into several), as RFC 6265 §5.4
/// writes them: pairs `name=value` between `;`, with spaces and tabs around both that do not count. Names' case matters.
/// A pair without `=` is no cookie of any name.
///
/// Malformed where the name comes more than once: browsers send a cookie of a subdomain or of another path beside the
/// one of that name that the application set.
#[must_use]
pub fn cookie<'a>(headers: &HeaderList<'a>, name: &[u8]) -> Sole<&'a [u8]> {
    let pairs = headers.values(b"cookie").flat_map(|value| value.split(|byte| *byte == b';'));
    Sole::of(pairs.filter_map(|pair| {
        let at = pair.iter().position(|byte| *byte == b'=')?;
        let key = trim(pair.get(..at)?);
        (key == name && !key.is_empty()).then(|| trim(pair.get(at + 1..).unwrap_or_default()))
    }))
}

fn trim(text: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = text.iter().position(|byte| !blank(byte)).unwrap_or(text.len());
    let end = text.iter().rposition(|byte| !blank(byte)).map_or(start, |last| last + 1);
    text.get(start..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(values: &[&str], wanted: Sole<&str>) {
        let headers = HeaderList::from_pairs(values.iter().map(|value| (&b"Cookie"[..], value.as_bytes())));
        let wanted = match wanted {
            Sole::One(value) => Sole::One(value.as_bytes()),
            Sole::Missing => Sole::Missing,
            Sole::Malformed => Sole::Malformed,
        };
        assert_eq!(cookie(&headers, b"s"), wanted, "{values:?}");
    }

    #[test]
    fn the_only_cookie_of_a_name_is_found() {
        check(&[], Sole::Missing);
        check(&["s=1"], Sole::One("1"));
        check(&["a=2; s=1; b=3"], Sole::One("1"));
        check(&["a=2;s=1"], Sole::One("1"));
        check(&["a=2", "s=1"], Sole::One("1"));
        check(&[" s = 1 "], Sole::One("1"));
        check(&["s="], Sole::One(""));
        check(&["s=a=b"], Sole::One("a=b"));
        check(&["s=\"1\""], Sole::One("\"1\""));
        check(&["S=1; ss=1; s; =s"], Sole::Missing);
        check(&["s=1; s=1"], Sole::Malformed);
        check(&["s=1", "s=2"], Sole::Malformed);
        check(&["s=1,s=2"], Sole::One("1,s=2"));
    }

    proptest! {
        #[test]
        fn cookies_are_found_as_splitting_them_finds_them(
            values in proptest::collection::vec("[a=; \t]{0,12}", 0..4),
            name in "[a ]{0,2}",
        ) {
            let headers = HeaderList::from_pairs(values.iter().map(|value| (&b"cookie"[..], value.as_bytes())));
            let joined = values.join(";");
            let blank = [' ', '\t'];
            let wanted: Vec<_> = joined
                .split(';')
                .filter_map(|pair| pair.split_once('='))
                .map(|(key, value)| (key.trim_matches(blank), value.trim_matches(blank)))
                .filter(|(key, _)| *key == name && !name.is_empty())
                .map(|(_, value)| value.as_bytes())
                .collect();
            let found = cookie(&headers, name.as_bytes());
            prop_assert_eq!(found, Sole::of(wanted.into_iter()));
        }
    }
}
