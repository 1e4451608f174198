//! Regular expressions over paths, in linear time and a few kilobytes.
//!
//! The crates for it are made for all of Unicode, captures and searches, and weigh 60 KB and more; a path's pattern is
//! ASCII, and fits the whole path or not. What is written here is a subset of RE2, which Envoy and Istio have, and means
//! the same there.

mod parse;
mod program;

use thiserror::Error;

use program::Program;

/// The longest path that is held against an expression: time is the product of both lengths.
const LONGEST_PATH: usize = 2048;

/// A regular expression that fits a whole path: characters, `.`, `[a-z]`, `[^/]`, `\d`, `\w`, `\s` and their opposites,
/// `(…)`, `(?:…)`, `|`, `?`, `*`, `+`, `{n}`, `{n,}`, `{n,m}`. `^` at its start and `$` at its end change nothing.
#[derive(Clone, Debug)]
pub struct Regex(Program);

/// Text is not a regular expression, or not one that is understood here.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InvalidRegex {
    /// It can't be read.
    #[error("{found} at byte {at}")]
    Syntax {
        /// Where, in bytes.
        at: usize,
        /// What is there.
        found: &'static str,
    },
    /// It is too long with its repetitions written out.
    #[error("it has more than {} steps with its repetitions written out", program::MOST_STEPS)]
    TooLong,
}

impl Regex {
    /// Reads an expression.
    ///
    /// # Errors
    /// The text is not one, or holds what is not understood.
    pub fn parse(text: &str) -> Result<Self, InvalidRegex> {
        Ok(Self(Program::of(&parse::parse(text)?)?))
    }

    /// Whether the whole path fits. `None` if the path is too long to tell.
    #[must_use]
    pub fn matches(&self, path: &[u8]) -> Option<bool> {
        (path.len() <= LONGEST_PATH).then(|| self.0.matches(path, false))
    }

    /// The same, where letters' case does not matter.
    #[must_use]
    pub fn matches_in_any_case(&self, path: &[u8]) -> Option<bool> {
        (path.len() <= LONGEST_PATH).then(|| self.0.matches(path, true))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_expression_fits_the_whole_path() {
        for (regex, path, matches) in [
            ("/a", "/a", true),
            ("/a", "/ab", false),
            ("a", "/a", false),
            ("^/a$", "/a", true),
            ("/.", "/%", true),
            ("/[a-c]+", "/abc", true),
            ("/[a-c]+", "/abd", false),
            ("/[^/]+/posts", "/7/posts", true),
            ("/[^/]+/posts", "/7/8/posts", false),
            (r"/v\d{1,2}", "/v12", true),
            (r"/v\d{1,2}", "/v123", false),
            (r"/v\d{2,}", "/v1", false),
            (r"/v\d{2}", "/v12", true),
            (r"/\w+\.js", "/a_1.js", true),
            (r"/\w+\.js", "/axjs", false),
            ("/(a|b|)/c", "//c", true),
            ("/(?:ab)*", "/abab", true),
            ("/(?:ab)*", "/aba", false),
            ("/a?b??c*?d+?", "/bccd", true),
            (r"/[\d.-]+", "/1.2-3", true),
            ("/[a-]", "/-", true),
            ("(a*)*", "aaaa", true),
            ("", "", true),
            ("", "/", false),
            ("/a{0}b", "/b", true),
        ] {
            assert_eq!(
                Regex::parse(regex).unwrap().matches(path.as_bytes()),
                Some(matches),
                "{regex} {path}"
            );
        }
        let regex = Regex::parse("/[a-b]C").unwrap();
        assert_eq!(regex.matches_in_any_case(b"/Bc"), Some(true));
        assert_eq!(regex.matches_in_any_case(b"/Cc"), Some(false));
    }

    #[test]
    fn what_is_not_understood_says_where() {
        for (regex, message) in [
            ("/(a", "'(' without ')' at byte 1"),
            ("/a)", "')' without '(' at byte 2"),
            ("/[a", "'[' without ']' at byte 1"),
            ("/[]", "an empty class at byte 1"),
            ("/[^]", "an empty class at byte 1"),
            ("/[b-a]", "a range that goes backwards at byte 2"),
            ("/[[:alpha:]]", "'[' in a class: write \\[ at byte 2"),
            ("/[--b]", "'-' in a range: write \\- at byte 4"),
            ("/[a&&b]", "'&' in a class: write \\& at byte 3"),
            ("*", "a repetition of nothing at byte 0"),
            ("/(*a)", "a repetition of nothing at byte 2"),
            ("/a**", "a repetition of a repetition: write (?:…) around the first at byte 3"),
            ("/a{2,1}", "a repetition that ends before it starts at byte 2"),
            ("/a{,2}", "'{' that starts no repetition: write \\{ at byte 2"),
            ("/a{x}", "'{' that starts no repetition: write \\{ at byte 2"),
            ("/a}", "'}' that ends nothing: write \\} at byte 2"),
            ("/]", "']' that ends nothing: write \\] at byte 1"),
            ("/a{1000}", "a repetition of more than 999 times at byte 2"),
            ("/(?i)a", "a group with '?': only (?:…) is understood at byte 1"),
            ("/(?=a)", "a group with '?': only (?:…) is understood at byte 1"),
            ("/\\b", "an escape that is not understood at byte 1"),
            ("/\\1", "an escape that is not understood at byte 1"),
            ("/\\", "an escape that is not understood at byte 1"),
            ("/a^", "'^' that is not at the start: write \\^ at byte 2"),
            ("/a$b", "'$' that is not at the end: write \\$ at byte 2"),
            ("/é", "a character beyond ASCII, which stands percent-encoded in paths at byte 1"),
        ] {
            assert_eq!(Regex::parse(regex).unwrap_err().to_string(), message, "{regex}");
        }
        assert_eq!(Regex::parse("((a{99}){99})").unwrap_err(), InvalidRegex::TooLong);
        assert!(Regex::parse(&"(".repeat(100_000)).is_err());
        assert!(Regex::parse(&format!("{}{}", "(".repeat(1_000), ")".repeat(1_000))).is_err());
    }

    #[test]
    fn a_path_of_any_length_takes_bounded_time() {
        let regex = Regex::parse("(a?){150}a{150}").unwrap();
        assert_eq!(regex.matches("a".repeat(250).as_bytes()), Some(true));
        assert_eq!(regex.matches("a".repeat(301).as_bytes()), Some(false));
        assert_eq!(regex.matches("a".repeat(2_049).as_bytes()), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_096))]

        #[test]
        fn what_is_understood_means_what_it_means_elsewhere(
            regex in r"([ab./\-\^$]|\\[dws.]|\[\^?[ab0-]{1,3}\]|[*+?]|\{[0-2],?[0-3]?\}|\(|\(\?:|\)|\|){0,8}",
            paths in proptest::collection::vec(r"[ab./0-]{0,6}", 8),
        ) {
            let Ok(read) = Regex::parse(&regex) else { return Ok(()) };
            let other = ::regex::RegexBuilder::new(&format!(r"\A(?:{regex})\z")).build();
            let other = other.unwrap_or_else(|error| panic!("{regex}: {error}"));
            for path in paths {
                prop_assert_eq!(read.matches(path.as_bytes()), Some(other.is_match(&path)), "{} {}", regex, path);
            }
        }

        #[test]
        fn any_text_is_read_or_refused(regex in any::<String>(), path in any::<Vec<u8>>()) {
            if let Ok(regex) = Regex::parse(&regex) {
                prop_assert!(regex.matches(&path).is_some() || path.len() > LONGEST_PATH);
            }
        }
    }
}
