//! Names with wildcards.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A pattern over a whole name, in which `*` stands for any run of characters, also for none: `team-*-prod`.
///
/// Every other character stands for itself. Matching takes time linear in the name and the pattern.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct Glob(String);

impl Glob {
    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The only name that this pattern matches, when it holds no wildcard.
    #[must_use]
    pub fn is_literal(&self) -> Option<&str> {
        (!self.0.contains('*')).then_some(self.0.as_str())
    }

    /// Whether the pattern matches all of `name`.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let mut parts = self.0.split('*');
        // The first part is where the name starts and the last is where it ends. What stands between is looked for
        // from the left: an earlier place for a part never leaves less room for those after it, so nothing is
        // tried twice.
        let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
        let Some(last) = parts.next_back() else { return rest.is_empty() };
        for part in parts {
            match rest.find(part) {
                Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
                None => return false,
            }
        }
        rest.ends_with(last)
    }
}

impl From<&str> for Glob {
    fn from(pattern: &str) -> Self {
        Self(pattern.to_owned())
    }
}

impl From<String> for Glob {
    fn from(pattern: String) -> Self {
        Self(pattern)
    }
}

impl FromStr for Glob {
    type Err = Infallible;

    fn from_str(pattern: &str) -> Result<Self, Self::Err> {
        Ok(pattern.into())
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_star_stands_for_any_run_of_characters_over_the_whole_name() {
        for (pattern, name, matches) in [
            ("production", "production", true),
            ("production", "production-2", false),
            ("production", "my-production", false),
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "anything", true),
            ("**", "", true),
            ("team-*", "team-", true),
            ("team-*", "team", false),
            ("*-prod", "a-prod", true),
            ("*-prod", "a-prod-b", false),
            ("team-*-prod", "team-a-b-prod", true),
            ("team-*-prod", "team-prod", false),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("*a*b*", "ba", false),
            ("*ab*ab*", "abab", true),
            ("*ab*ab", "ab", false),
            ("é*", "été", true),
            ("a?c", "abc", false),
            ("a.c", "abc", false),
        ] {
            assert_eq!(Glob::from(pattern).matches(name), matches, "{pattern} on {name}");
        }
    }

    #[test]
    fn a_pattern_without_a_star_is_a_literal() {
        assert_eq!(Glob::from("kube-system").is_literal(), Some("kube-system"));
        assert_eq!(Glob::from("kube-*").is_literal(), None);
    }

    #[test]
    fn many_stars_do_not_take_many_turns() {
        let pattern = Glob::from("a*".repeat(5_000) + "b");
        assert!(!pattern.matches(&"a".repeat(10_000)));
    }

    /// The definition of matching, in exponential time.
    fn matches_by_definition(pattern: &[char], name: &[char]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some(('*', rest)) => (0..=name.len()).any(|n| matches_by_definition(rest, &name[n..])),
            Some((c, rest)) => name.first() == Some(c) && matches_by_definition(rest, &name[1..]),
        }
    }

    proptest! {
        #[test]
        fn matching_follows_the_definition(pattern in "[ab*]{0,8}", name in "[ab]{0,8}") {
            let (p, n): (Vec<_>, Vec<_>) = (pattern.chars().collect(), name.chars().collect());
            prop_assert_eq!(Glob::from(pattern.as_str()).matches(&name), matches_by_definition(&p, &n));
        }
    }
}
