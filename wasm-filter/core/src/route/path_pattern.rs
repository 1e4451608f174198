//! Which paths a rule is about.

use thiserror::Error;

use super::{Fit, InvalidRegex, InvalidTemplate, Regex, Template};
use crate::PathMatch;
use crate::request::Path;

/// A [`PathMatch`], compiled.
#[derive(Clone, Debug)]
pub enum PathPattern {
    /// This path and no other.
    Exact(Box<[u8]>),
    /// This path and everything below it.
    Prefix(Box<[u8]>),
    /// Paths of a form.
    Template(Template),
    /// Paths that a regular expression fits as a whole.
    Regex(Regex),
}

/// A pattern is none.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InvalidPattern {
    /// The template is not one.
    #[error(transparent)]
    Template(#[from] InvalidTemplate),
    /// The regular expression is not one.
    #[error(transparent)]
    Regex(#[from] InvalidRegex),
    /// Not exactly one thing is asked of a header.
    #[error("exactly one of present, exact and matches is needed")]
    Header,
}

impl PathPattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// The template or regular expression is none.
    pub fn compile(path: &PathMatch) -> Result<Self, InvalidPattern> {
        Ok(match path {
            PathMatch::Exact(path) => Self::Exact(path.as_bytes().into()),
            PathMatch::Prefix(path) => Self::Prefix(path.as_bytes().into()),
            PathMatch::Template(template) => Self::Template(Template::parse(template)?),
            PathMatch::Regex(regex) => Self::Regex(Regex::parse(regex)?),
        })
    }

    /// Whether the path is one of these. `Yes` and `No` hold whatever a server makes of it; servers that do not care
    /// for letters' case or for a slash at the end are reckoned with.
    #[must_use]
    pub fn fit(&self, path: &Path<'_>) -> Fit {
        if path.is_canonical() {
            let path = path.as_bytes();
            if self.matches(path) {
                Fit::Yes
            } else if self.matches_loosely(path) {
                Fit::Maybe
            } else {
                Fit::No
            }
        } else {
            self.fit_start(path.sure())
        }
    }

    fn matches(&self, path: &[u8]) -> bool {
        match self {
            Self::Exact(exact) => path == &**exact,
            Self::Prefix(prefix) => is_below(path, prefix, <[u8]>::eq),
            Self::Template(template) => template.matches(path),
            Self::Regex(regex) => regex.matches(path) == Some(true),
        }
    }

    fn matches_loosely(&self, path: &[u8]) -> bool {
        match self {
            Self::Exact(exact) => bare(path).eq_ignore_ascii_case(bare(exact)),
            Self::Prefix(prefix) => is_below(path, bare(prefix), <[u8]>::eq_ignore_ascii_case),
            Self::Template(template) => [bare(path), &[bare(path), b"/"].concat()].into_iter().any(|path| {
                template.align(path, <[u8]>::eq_ignore_ascii_case).is_some_and(|alignment| alignment.whole)
            }),
            Self::Regex(regex) => [bare(path), &[bare(path), b"/"].concat()]
                .into_iter()
                .any(|path| regex.matches_in_any_case(path) != Some(false)),
        }
    }

    /// Whether a path is one of these of which it is known only how it starts: with these segments, or at least with
    /// nothing else.
    fn fit_start(&self, start: &[u8]) -> Fit {
        let same = <[u8]>::eq_ignore_ascii_case;
        match self {
            Self::Exact(exact) => possible(is_below(exact, start, same)),
            Self::Prefix(prefix) => {
                let prefix = bare(prefix);
                if is_below(start, prefix, <[u8]>::eq) {
                    Fit::Yes
                } else {
                    possible(is_below(start, prefix, same) || is_below(prefix, start, same))
                }
            }
            Self::Template(template) => {
                if template
                    .align(start, <[u8]>::eq)
                    .is_some_and(|alignment| alignment.open && alignment.whole)
                {
                    Fit::Yes
                } else {
                    possible(template.align(start, same).is_some())
                }
            }
            Self::Regex(_) => Fit::Maybe,
        }
    }
}

fn possible(possible: bool) -> Fit {
    if possible { Fit::Maybe } else { Fit::No }
}

/// Without slashes at the end: `/` is nothing, then.
fn bare(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
    path.get(..end).unwrap_or_default()
}

/// Whether `path` is `above`, or below it: what follows starts at a segment's boundary.
fn is_below(path: &[u8], above: &[u8], same: fn(&[u8], &[u8]) -> bool) -> bool {
    let Some((start, rest)) = path.split_at_checked(above.len()) else { return false };
    same(start, above) && (rest.is_empty() || rest.starts_with(b"/") || above.ends_with(b"/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &PathMatch, cases: &[(&str, Fit)]) {
        let compiled = PathPattern::compile(pattern).unwrap();
        for (path, wanted) in cases {
            assert_eq!(compiled.fit(&Path::of(path.as_bytes())), *wanted, "{pattern:?} {path}");
        }
    }

    #[test]
    fn an_exact_path_is_one_and_perhaps_its_other_spellings() {
        check(
            &PathMatch::Exact("/a/b".to_owned()),
            &[
                ("/a/b", Fit::Yes),
                ("/a/b/", Fit::Maybe),
                ("/A/b", Fit::Maybe),
                ("/a/bc", Fit::No),
                ("/a", Fit::No),
                ("/a/b/c", Fit::No),
                ("/a//b", Fit::Maybe),
                ("/A//b", Fit::Maybe),
                ("/c//a/b", Fit::No),
                ("/c/../a/b", Fit::Maybe),
                ("/a/b;x", Fit::Maybe),
                ("/a/b/;x", Fit::Maybe),
                ("/a/b/c;x", Fit::Maybe),
                ("/a/c/b;x", Fit::No),
                ("//a/b", Fit::Maybe),
                ("*", Fit::Maybe),
                ("", Fit::Maybe),
            ],
        );
        check(&PathMatch::Exact("/".to_owned()), &[("/", Fit::Yes), ("/a", Fit::No), ("//", Fit::Maybe)]);
    }

    #[test]
    fn a_prefix_ends_at_a_segments_boundary() {
        check(
            &PathMatch::Prefix("/api".to_owned()),
            &[
                ("/api", Fit::Yes),
                ("/api/", Fit::Yes),
                ("/api/users", Fit::Yes),
                ("/apis", Fit::No),
                ("/API/users", Fit::Maybe),
                ("/api/a%2Fb", Fit::Yes),
                ("/Api/a%2Fb", Fit::Maybe),
                ("/api/..%2Fb", Fit::Maybe),
                ("/other/a%2Fb", Fit::No),
                ("/apis/a%2Fb", Fit::No),
                ("/%61pi", Fit::Maybe),
                ("//api", Fit::Maybe),
                ("/a%2Fapi", Fit::Maybe),
            ],
        );
        check(
            &PathMatch::Prefix("/".to_owned()),
            &[("/", Fit::Yes), ("/a", Fit::Yes), ("//", Fit::Yes), ("*", Fit::Yes)],
        );
        check(
            &PathMatch::Prefix("/api/".to_owned()),
            &[
                ("/api/", Fit::Yes),
                ("/api/a", Fit::Yes),
                ("/api", Fit::Maybe),
                ("/apis", Fit::No),
                ("/api//", Fit::Yes),
            ],
        );
        check(&PathMatch::Prefix("/a/b".to_owned()), &[("/a/%62", Fit::Maybe), ("/a/c/%62", Fit::No)]);
    }

    #[test]
    fn a_template_is_aligned_with_what_is_certain() {
        check(
            &PathMatch::Template("/users/{id}/posts".to_owned()),
            &[
                ("/users/7/posts", Fit::Yes),
                ("/users/7/posts/", Fit::Maybe),
                ("/Users/7/posts", Fit::Maybe),
                ("/users/7", Fit::No),
                ("/users/a%2Fb/posts", Fit::Maybe),
                ("/users/7/a%2Fb", Fit::Maybe),
                ("/users/7/posts/a%2Fb", Fit::Maybe),
                ("/users/7/likes/a%2Fb", Fit::No),
                ("/users/7/posts/8/a%2Fb", Fit::No),
                ("/admins/a%2Fb", Fit::No),
                ("//", Fit::Maybe),
            ],
        );
        check(
            &PathMatch::Template("/files/{path=**}".to_owned()),
            &[
                ("/files/a%2Fb", Fit::Yes),
                ("/FILES/a%2Fb", Fit::Maybe),
                ("/%66iles", Fit::Maybe),
                ("/a/%62", Fit::No),
            ],
        );
    }

    #[test]
    fn a_regular_expression_may_fit_whatever_is_not_canonical() {
        check(
            &PathMatch::Regex("/v[0-9]+/(a|b)".to_owned()),
            &[
                ("/v1/a", Fit::Yes),
                ("/v12/b", Fit::Yes),
                ("/v12/b/", Fit::Maybe),
                ("/V1/A", Fit::Maybe),
                ("/v1/ab", Fit::No),
                ("/x/v1/a", Fit::No),
                ("/x/%76", Fit::Maybe),
            ],
        );
        let long = format!("/{}", "a".repeat(5_000));
        check(&PathMatch::Regex("/b".to_owned()), &[(&long, Fit::Maybe)]);
    }
}
