//! Paths with variables: `/users/{id}/posts`.

use thiserror::Error;

/// A path template: segments that stand for themselves; `{name}` for one segment, whatever it holds but not nothing; and
/// as the last `{name=**}`, for any number of segments, as Envoy's URI templates have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// A segment that stands for itself, or `None` for any.
    segments: Vec<Option<Box<[u8]>>>,
    /// Whether any number of segments may follow.
    open: bool,
}

/// Text is not a template.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InvalidTemplate {
    /// It does not start with a slash.
    #[error("it does not start with '/'")]
    Relative,
    /// A brace stands within a segment.
    #[error("{0:?} is neither a plain segment nor a variable: write {{NAME}} as a whole segment")]
    Partial(String),
    /// A variable's name is not one.
    #[error("{0:?} is no variable's name: write letters, digits, '_' and '-'")]
    Name(String),
    /// A variable comes twice.
    #[error("the variable {0:?} comes twice")]
    Twice(String),
    /// `{NAME=**}` is not the last segment.
    #[error("{{{0}=**}} takes all that follows, and must be the last segment")]
    Early(String),
    /// A variable has another pattern than `**`.
    #[error(
        "{0:?} is no pattern for a variable: write {{NAME}} for one segment, or {{NAME=**}} as the last for the rest"
    )]
    Pattern(String),
}

/// A template beside a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Alignment {
    /// Whether the path may go on and still fit.
    pub(super) open: bool,
    /// Whether the path, as it is, fits.
    pub(super) whole: bool,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// The text is not one.
    pub fn parse(text: &str) -> Result<Self, InvalidTemplate> {
        let rest = text.strip_prefix('/').ok_or(InvalidTemplate::Relative)?;
        let mut names: Vec<&str> = Vec::new();
        let mut segments = Vec::new();
        let mut open = None;
        for segment in rest.split('/') {
            if let Some(name) = open {
                return Err(InvalidTemplate::Early(str::to_owned(name)));
            }
            let Some(variable) = segment.strip_prefix('{').and_then(|segment| segment.strip_suffix('}'))
            else {
                if segment.contains(['{', '}']) {
                    return Err(InvalidTemplate::Partial(segment.to_owned()));
                }
                segments.push(Some(segment.as_bytes().into()));
                continue;
            };
            let (name, pattern) = variable.split_once('=').map_or((variable, None), |(n, p)| (n, Some(p)));
            if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
            {
                return Err(InvalidTemplate::Name(name.to_owned()));
            }
            if names.contains(&name) {
                return Err(InvalidTemplate::Twice(name.to_owned()));
            }
            names.push(name);
            match pattern {
                None => segments.push(None),
                Some("**") => open = Some(name),
                Some(other) => return Err(InvalidTemplate::Pattern(other.to_owned())),
            }
        }
        Ok(Self { segments, open: open.is_some() })
    }

    /// Whether a canonical path fits.
    #[must_use]
    pub fn matches(&self, path: &[u8]) -> bool {
        self.align(path, <[u8]>::eq).is_some_and(|alignment| alignment.whole)
    }

    /// Lays the template beside a path, or the start of one. `None` if the path leaves it.
    pub(super) fn align(&self, path: &[u8], same: fn(&[u8], &[u8]) -> bool) -> Option<Alignment> {
        let mut segments = self.segments.iter();
        let Some(rest) = path.strip_prefix(b"/") else {
            let whole = path.is_empty() && segments.len() == 0 && self.open;
            return path.is_empty().then_some(Alignment { open: true, whole });
        };
        for segment in rest.split(|byte| *byte == b'/') {
            match segments.next() {
                Some(Some(literal)) if same(literal, segment) => {}
                Some(None) if !segment.is_empty() => {}
                None if self.open => return Some(Alignment { open: true, whole: true }),
                _ => return None,
            }
        }
        let all = segments.len() == 0;
        Some(Alignment { open: !all || self.open, whole: all })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_variable_is_one_segment_and_the_last_may_be_the_rest() {
        for (template, path, matches) in [
            ("/users/{id}/posts", "/users/7/posts", true),
            ("/users/{id}/posts", "/users//posts", false),
            ("/users/{id}/posts", "/users/7/posts/", false),
            ("/users/{id}/posts", "/users/7/8/posts", false),
            ("/users/{id}/posts", "/users/7", false),
            ("/users/{id}", "/users/", false),
            ("/users/{id}", "/Users/7", false),
            ("/users/{id}/", "/users/7/", true),
            ("/{a}/{b}", "/x/y", true),
            ("/files/{path=**}", "/files/a/b", true),
            ("/files/{path=**}", "/files/", true),
            ("/files/{path=**}", "/files", true),
            ("/files/{path=**}", "/filesystem", false),
            ("/{all=**}", "/", true),
            ("/{all=**}", "/a/b", true),
            ("/", "/", true),
            ("/", "/a", false),
        ] {
            assert_eq!(
                Template::parse(template).unwrap().matches(path.as_bytes()),
                matches,
                "{template} {path}"
            );
        }
    }

    #[test]
    fn what_is_no_template_says_why() {
        for (text, message) in [
            ("users", "it does not start with '/'"),
            ("/v{n}", "\"v{n}\" is neither a plain segment nor a variable: write {NAME} as a whole segment"),
            ("/{a", "\"{a\" is neither a plain segment nor a variable: write {NAME} as a whole segment"),
            ("/{}", "\"\" is no variable's name: write letters, digits, '_' and '-'"),
            ("/{a b}", "\"a b\" is no variable's name: write letters, digits, '_' and '-'"),
            ("/{*}", "\"*\" is no variable's name: write letters, digits, '_' and '-'"),
            ("/{a}/{a}", "the variable \"a\" comes twice"),
            ("/{a=**}/b", "{a=**} takes all that follows, and must be the last segment"),
            (
                "/{a=b/*}",
                "\"{a=b\" is neither a plain segment nor a variable: write {NAME} as a whole segment",
            ),
            (
                "/{a=*}",
                "\"*\" is no pattern for a variable: write {NAME} for one segment, or {NAME=**} as the last for the rest",
            ),
        ] {
            assert_eq!(Template::parse(text).unwrap_err().to_string(), message, "{text}");
        }
    }

    /// Templates by way of regular expressions.
    fn matches_by_definition(template: &str, path: &str) -> bool {
        let mut pattern = String::from("^");
        for segment in template[1..].split('/') {
            pattern += &match segment {
                "{r=**}" => "(/.*)?".to_owned(),
                variable if variable.starts_with('{') => "/[^/]+".to_owned(),
                literal => format!("/{}", ::regex::escape(literal)),
            };
        }
        ::regex::Regex::new(&(pattern + "$")).unwrap().is_match(path)
    }

    proptest! {
        #[test]
        fn matching_follows_the_definition(
            start in proptest::collection::vec("a|b||\\{v\\}", 0..4), rest in any::<bool>(), path in "(/[ab]{0,2}){1,4}",
        ) {
            let mut names = 0;
            let mut segments: Vec<String> = start;
            for segment in &mut segments {
                if segment.starts_with('{') {
                    names += 1;
                    *segment = format!("{{v{names}}}");
                }
            }
            if rest || segments.is_empty() {
                segments.push("{r=**}".to_owned());
            }
            let template = format!("/{}", segments.join("/"));
            let matches = Template::parse(&template).unwrap().matches(path.as_bytes());
            prop_assert_eq!(matches, matches_by_definition(&template, &path), "{} {}", template, path);
        }
    }
}
