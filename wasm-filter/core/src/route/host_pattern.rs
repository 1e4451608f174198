//! Which hosts a rule is about.

use crate::request::Host;

/// A host's name, or all names below one: `*.example.com` is `a.example.com` and `a.b.example.com`, but not
/// `example.com`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostPattern {
    /// The name.
    One(Box<[u8]>),
    /// The name, with the dot before it.
    Below(Box<[u8]>),
}

impl HostPattern {
    /// Compiles a host that was checked before.
    #[must_use]
    pub fn of(pattern: &str) -> Self {
        match pattern.strip_prefix('*') {
            Some(below) => Self::Below(below.as_bytes().into()),
            None => Self::One(pattern.as_bytes().into()),
        }
    }

    /// Whether a request's host is one of these.
    #[must_use]
    pub fn matches(&self, host: &Host<'_>) -> bool {
        let host = host.as_bytes();
        match self {
            Self::One(name) => host == &**name,
            Self::Below(name) => host.len() > name.len() && host.ends_with(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_number_of_labels_but_none() {
        for (pattern, host, matches) in [
            ("a.example", "a.example", true),
            ("a.example", "b.a.example", false),
            ("*.example", "a.example", true),
            ("*.example", "b.a.example", true),
            ("*.example", "example", false),
            ("*.example", "notexample", false),
        ] {
            let host = Host::parse(host.as_bytes()).unwrap();
            assert_eq!(HostPattern::of(pattern).matches(&host), matches, "{pattern} {host:?}");
        }
    }
}
