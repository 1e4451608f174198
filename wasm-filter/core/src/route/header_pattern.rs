//! Which headers a rule asks for.

use sallyport_policy::Glob;

use super::Fit;
use crate::request::{HeaderList, alike};
use crate::{HeaderMatch, HeaderTest};

/// A [`HeaderMatch`], compiled.
#[derive(Clone, Debug)]
pub(super) struct HeaderPattern {
    name: Box<[u8]>,
    test: Test,
}

#[derive(Clone, Debug)]
enum Test {
    Present(bool),
    Exact(Box<[u8]>),
    Matches(Glob),
}

impl HeaderPattern {
    /// `None` if it does not say one thing.
    pub(super) fn compile(header: &HeaderMatch) -> Option<Self> {
        let test = match header.test()? {
            HeaderTest::Present(present) => Test::Present(present),
            HeaderTest::Exact(value) => Test::Exact(value.as_bytes().into()),
            HeaderTest::Matches(glob) => Test::Matches(glob.clone()),
        };
        Some(Self { name: header.name.as_bytes().into(), test })
    }

    /// Of a header that came more than once, or under names that servers take for one, they see the first, the last or all.
    /// So every value must fit, and if only some do, or a part between commas (RFC 9110 §5.6.1), it is not certain.
    /// Patterns are text: a value that is not UTF-8 may or may not fit one.
    pub(super) fn fit(&self, headers: &HeaderList<'_>) -> Fit {
        let (mut some, mut all, mut any) = (false, true, false);
        for (name, value) in headers.iter().filter(|(name, _)| alike(name, &self.name)) {
            some |= name.eq_ignore_ascii_case(&self.name);
            let fit = self.test(value);
            all &= fit == Fit::Yes;
            any |= fit.possible() || value.split(|byte| *byte == b',').any(|part| self.may_be(part));
        }
        match self.test {
            Test::Present(present) if some || !any => Fit::yes_if(some == present),
            Test::Present(_) => Fit::Maybe,
            _ if some && all => Fit::Yes,
            _ if any => Fit::Maybe,
            _ => Fit::No,
        }
    }

    fn may_be(&self, part: &[u8]) -> bool {
        self.test(part.trim_ascii()).possible()
    }

    /// Whether one value fits.
    fn test(&self, value: &[u8]) -> Fit {
        match &self.test {
            Test::Present(_) => Fit::Yes,
            Test::Exact(wanted) => Fit::yes_if(value == &**wanted),
            Test::Matches(glob) => {
                std::str::from_utf8(value).map_or(Fit::Maybe, |value| Fit::yes_if(glob.matches(value)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_of_a_header_must_fit() {
        let present = |present| HeaderMatch { present: Some(present), ..HeaderMatch::default() };
        let exact = HeaderMatch { exact: Some("a".to_owned()), ..HeaderMatch::default() };
        let matches = HeaderMatch { matches: Some("a*".into()), ..HeaderMatch::default() };
        for (test, values, wanted) in [
            (&present(true), &[][..], Fit::No),
            (&present(true), &[&b"\xff"[..], b""], Fit::Yes),
            (&present(false), &[], Fit::Yes),
            (&present(false), &[b""], Fit::No),
            (&exact, &[], Fit::No),
            (&exact, &[b"a"], Fit::Yes),
            (&exact, &[b"A"], Fit::No),
            (&exact, &[b"a", b"a"], Fit::Yes),
            (&exact, &[b"a", b"b"], Fit::Maybe),
            (&exact, &[b"b", b"a"], Fit::Maybe),
            (&exact, &[b"b", b"b"], Fit::No),
            (&matches, &[b"ab"], Fit::Yes),
            (&matches, &[b"b"], Fit::No),
            (&matches, &[b"a\xff"], Fit::Maybe),
            (&matches, &[b"ab", b"\xff"], Fit::Maybe),
        ] {
            let test = HeaderMatch { name: "X-Test".to_owned(), ..test.clone() };
            let headers = HeaderList::from_pairs(values.iter().map(|value| (&b"x-test"[..], *value)));
            let pattern = HeaderPattern::compile(&test).unwrap();
            assert_eq!(pattern.fit(&headers), wanted, "{test:?} {values:?}");
        }
    }

    #[test]
    fn no_other_spelling_of_a_header_is_certain() {
        let present = |present| HeaderMatch { present: Some(present), ..HeaderMatch::default() };
        let exact = HeaderMatch { exact: Some("1".to_owned()), ..HeaderMatch::default() };
        let matches = HeaderMatch { matches: Some("1*".into()), ..HeaderMatch::default() };
        for (test, sent, wanted) in [
            (&exact, &[("x_debug", "1")][..], Fit::Maybe),
            (&exact, &[("X.Debug", "1")], Fit::Maybe),
            (&exact, &[("xdebug", "1")], Fit::No),
            (&exact, &[("x_debug", "0")], Fit::No),
            (&exact, &[("x-debug", "1"), ("x_debug", "0")], Fit::Maybe),
            (&exact, &[("x-debug", "0"), ("x_debug", "1")], Fit::Maybe),
            (&exact, &[("x-debug", "1"), ("x_debug", "1")], Fit::Yes),
            (&exact, &[("x-debug", "0, 1")], Fit::Maybe),
            (&exact, &[("x-debug", "1,0")], Fit::Maybe),
            (&exact, &[("x-debug", "0,2")], Fit::No),
            (&matches, &[("x-debug", "0, 12")], Fit::Maybe),
            (&matches, &[("x-debug", "12, 0")], Fit::Yes),
            (&present(true), &[("x_debug", "")], Fit::Maybe),
            (&present(true), &[("x-debug", ""), ("x_debug", "")], Fit::Yes),
            (&present(false), &[("x_debug", "")], Fit::Maybe),
            (&present(false), &[("x-debug", ""), ("x_debug", "")], Fit::No),
        ] {
            let test = HeaderMatch { name: "X-Debug".to_owned(), ..test.clone() };
            let headers = sent.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
            let pattern = HeaderPattern::compile(&test).unwrap();
            assert_eq!(pattern.fit(&HeaderList::from_pairs(headers)), wanted, "{test:?} {sent:?}");
        }
    }

    #[test]
    fn what_does_not_say_one_thing_is_no_pattern() {
        assert!(HeaderPattern::compile(&HeaderMatch::default()).is_none());
    }
}
