//! Which headers a rule asks for.

use sallyport_policy::Glob;

use super::Fit;
use crate::request::HeaderList;
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

    /// Of a header that came more than once, servers see the first, the last or all. So every value must fit, and if only
    /// some do, it is not certain. Patterns are text: a value that is not UTF-8 may or may not fit one.
    pub(super) fn fit(&self, headers: &HeaderList<'_>) -> Fit {
        let value = |value: &[u8]| match &self.test {
            Test::Present(_) => Fit::Yes,
            Test::Exact(wanted) => Fit::yes_if(value == &**wanted),
            Test::Matches(glob) => {
                std::str::from_utf8(value).map_or(Fit::Maybe, |value| Fit::yes_if(glob.matches(value)))
            }
        };
        let mut fits = headers.values(&self.name).map(value).peekable();
        let some = fits.peek().is_some();
        if let Test::Present(present) = self.test {
            return Fit::yes_if(some == present);
        }
        let (mut all, mut any) = (some, false);
        for fit in fits {
            all &= fit == Fit::Yes;
            any |= fit.possible();
        }
        match (all, any) {
            (true, _) => Fit::Yes,
            (false, true) => Fit::Maybe,
            (false, false) => Fit::No,
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
    fn what_does_not_say_one_thing_is_no_pattern() {
        assert!(HeaderPattern::compile(&HeaderMatch::default()).is_none());
    }
}
