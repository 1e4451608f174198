//! Which rules a request has to satisfy where the first one decides.

use super::{Fit, Route};
use crate::request::Request;

/// A rule among others, of which the first that is about a request decides.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The requests that it is about: any of these.
    pub routes: Vec<Route>,
    /// Whether it opens: what it is about passes.
    pub opens: bool,
}

impl Rule {
    /// Whether it is about the request.
    #[must_use]
    pub fn fit(&self, request: &Request<'_>) -> Fit {
        if self.opens {
            return Fit::yes_if(self.routes.iter().any(|route| route.opens(request)));
        }
        let mut best = Fit::No;
        for route in &self.routes {
            best = best.max(route.fit(request));
            if best == Fit::Yes {
                break;
            }
        }
        best
    }
}

/// What a request has to satisfy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Governs {
    /// The rule at this index.
    Rule(usize),
    /// What holds where no rule is about a request.
    Nothing,
}

/// What a request has to satisfy, all of it, where the first rule that is about it decides.
///
/// Usually that is one rule: the first. Of a request that may mean several things, each meaning has a first rule, and all
/// of these count: every rule that may be about it, up to the first that surely is; and if none surely is, what holds
/// where no rule is about a request too. A rule that opens counts only where it surely is about the request, for it asks
/// nothing. So whatever a server makes of a request, the rule that it should have passed is among these.
#[must_use]
pub fn governing<'a>(rules: &'a [Rule], request: &'a Request<'a>) -> Governing<'a> {
    Governing { rules, request, next: Some(0) }
}

/// The iterator of [`governing`].
#[derive(Clone, Debug)]
pub struct Governing<'a> {
    rules: &'a [Rule],
    request: &'a Request<'a>,
    /// The rule to look at next; none after the last word.
    next: Option<usize>,
}

impl Iterator for Governing<'_> {
    type Item = Governs;

    fn next(&mut self) -> Option<Governs> {
        let mut at = self.next?;
        while let Some(rule) = self.rules.get(at) {
            match rule.fit(self.request) {
                Fit::No => at += 1,
                Fit::Maybe => {
                    self.next = Some(at + 1);
                    return Some(Governs::Rule(at));
                }
                Fit::Yes => {
                    self.next = None;
                    return Some(Governs::Rule(at));
                }
            }
        }
        self.next = None;
        Some(Governs::Nothing)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::request::HeaderList;
    use crate::route::servers::{HABITS, LAX, seen};
    use crate::{PathMatch, RouteMatch};

    fn rule(opens: bool, path: PathMatch) -> Rule {
        let route = RouteMatch { path: Some(path), ..RouteMatch::default() };
        Rule { routes: vec![Route::compile(&route).unwrap()], opens }
    }

    fn governs(rules: &[Rule], method: &str, path: &str) -> Vec<Governs> {
        let headers = HeaderList::from_pairs([
            (&b":method"[..], method.as_bytes()),
            (b":path", path.as_bytes()),
            (b":authority", b"a.example"),
        ]);
        governing(rules, &Request::of(&headers)).collect()
    }

    #[test]
    fn the_first_rule_decides_and_for_doubtful_requests_every_rule_that_may_be_it() {
        use Governs::{Nothing, Rule as By};
        let rules = [
            rule(true, PathMatch::Exact("/health".to_owned())),
            rule(true, PathMatch::Prefix("/public".to_owned())),
            rule(false, PathMatch::Prefix("/admin".to_owned())),
            rule(false, PathMatch::Template("/users/{id}".to_owned())),
            rule(false, PathMatch::Prefix("/".to_owned())),
        ];
        for (path, wanted) in [
            ("/health", &[By(0)][..]),
            ("/health/", &[By(4)]),
            ("/health?x=..%2f", &[By(0)]),
            ("/public/a", &[By(1)]),
            ("/public/../admin", &[By(2), By(3), By(4)]),
            ("/public/%2e%2e/admin", &[By(2), By(3), By(4)]),
            ("/public/..;/admin", &[By(2), By(3), By(4)]),
            ("/public/%252e%252e/admin", &[By(2), By(3), By(4)]),
            ("/public/a%40b", &[By(4)]),
            ("/admin/x", &[By(2)]),
            ("/admin/x%2Fy", &[By(2)]),
            ("/ADMIN/x", &[By(2), By(4)]),
            ("/%61dmin", &[By(2), By(3), By(4)]),
            ("//admin", &[By(2), By(3), By(4)]),
            ("/users/7", &[By(3)]),
            ("/users/7/", &[By(3), By(4)]),
            ("/users/a%40b", &[By(3), By(4)]),
            ("/files/a%2Fb", &[By(4)]),
            ("*", &[By(2), By(3), By(4)]),
        ] {
            assert_eq!(governs(&rules, "GET", path), wanted, "{path}");
        }
        assert_eq!(governs(&rules, "CONNECT", "/health"), [By(4)]);
        assert_eq!(governs(&rules[..4], "GET", "/"), [Nothing]);
        assert_eq!(governs(&rules[..4], "GET", "/a//"), [Nothing]);
        assert_eq!(governs(&rules[..4], "GET", "//"), [By(2), By(3), Nothing]);
        assert_eq!(governs(&[], "GET", "/"), [Nothing]);
    }

    /// The first rule that is about what a server sees, as plainly as can be.
    fn first(patterns: &[(bool, PathMatch)], path: &[u8]) -> Governs {
        let segments: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
        let fits = |pattern: &PathMatch| match pattern {
            PathMatch::Exact(exact) => path == exact.as_bytes(),
            PathMatch::Prefix(prefix) => {
                let prefix: Vec<&str> = prefix.split('/').filter(|segment| !segment.is_empty()).collect();
                segments.len() > prefix.len()
                    && prefix.iter().zip(&segments[1..]).all(|(one, other)| one.as_bytes() == *other)
            }
            PathMatch::Template(template) => {
                let template: Vec<&str> = template.split('/').collect();
                template.len() == segments.len()
                    && template.iter().zip(&segments).all(|(one, other)| {
                        if one.starts_with('{') { !other.is_empty() } else { one.as_bytes() == *other }
                    })
            }
            PathMatch::Regex(_) => unreachable!("none is made"),
        };
        let at = patterns.iter().position(|(_, pattern)| fits(pattern));
        at.map_or(Governs::Nothing, Governs::Rule)
    }

    fn pattern() -> impl Strategy<Value = PathMatch> {
        prop_oneof![
            "(/[ab]){1,3}".prop_map(PathMatch::Exact),
            "(/[ab]){1,3}".prop_map(PathMatch::Prefix),
            Just(PathMatch::Prefix("/".to_owned())),
            "(/[ab]){0,1}/\\{x\\}(/[ab]){0,1}".prop_map(PathMatch::Template),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_096))]

        #[test]
        fn no_spelling_escapes_a_rule_that_any_server_would_apply(
            patterns in proptest::collection::vec((any::<bool>(), pattern()), 1..5),
            path in r"/([ab/.;\\AB]|%2[fFeE5]|%5[cC]|%00|%3[bBfF]|%6[12]|%25(2e|2f|61)|\.\./|/\./){0,7}",
            habits in proptest::collection::vec(0..HABITS, 0..6),
        ) {
            let rules: Vec<Rule> = patterns.iter().map(|(opens, path)| rule(*opens, path.clone())).collect();
            let governed = governs(&rules, "GET", &path);
            let seen = habits.iter().fold(path.clone().into_bytes(), |path, habit| seen(path, *habit));
            let first = first(&patterns, &seen);
            let asks_nothing = matches!(first, Governs::Rule(at) if patterns[at].0);
            prop_assert!(
                asks_nothing || governed.contains(&first),
                "{} seen as {} by {:?}: {:?} of {:?}", path, String::from_utf8_lossy(&seen), habits, governed, patterns
            );
        }

        #[test]
        fn nothing_opens_for_what_any_server_takes_for_something_closed(
            open in pattern(), closed in pattern(),
            path in r"/([ab/.;\\]|%2[fFeE5]|%5[cC]|%00|%3[bBfF]|%6[12]|%25(2e|2f|61)|\.\./|/\./){0,7}",
            habits in proptest::collection::vec(0..LAX, 0..6),
        ) {
            let patterns = [(true, open), (false, closed)];
            let rules: Vec<Rule> = patterns.iter().map(|(opens, path)| rule(*opens, path.clone())).collect();
            let opened = governs(&rules, "GET", &path)[0] == Governs::Rule(0);
            let seen = habits.iter().fold(path.clone().into_bytes(), |path, habit| seen(path, *habit));
            if opened {
                prop_assert_eq!(first(&patterns, &seen), Governs::Rule(0), "{} seen as {:?}", path, seen);
            }
        }
    }
}
