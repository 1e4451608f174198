//! Which requests a rule is about.

use sallyport_policy::Glob;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Requests that fit every field; a field that is left out fits all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RouteMatch {
    /// The path, without the query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathMatch>,
    /// Any of these methods (RFC 9110 §9), in upper case as clients send them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 32)), extend("x-kubernetes-list-type" = "set"))]
    pub methods: Vec<String>,
    /// Any of these hosts, in lower case and without port: `api.example.com` or `*.example.com`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 253)), extend("x-kubernetes-list-type" = "set"))]
    pub hosts: Vec<String>,
    /// All of these headers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub headers: Vec<HeaderMatch>,
}

impl RouteMatch {
    /// Whether it fits every request whose path is canonical.
    #[must_use]
    pub fn fits_all(&self) -> bool {
        let any_path = match &self.path {
            None => true,
            Some(PathMatch::Prefix(prefix)) => prefix == "/",
            Some(PathMatch::Template(template)) => is_rest(template),
            Some(PathMatch::Exact(_) | PathMatch::Regex(_)) => false,
        };
        any_path && self.methods.is_empty() && self.hosts.is_empty() && self.headers.is_empty()
    }
}

/// Whether a template is one variable for all: `/{path=**}`.
fn is_rest(template: &str) -> bool {
    template
        .strip_prefix("/{")
        .and_then(|rest| rest.strip_suffix("=**}"))
        .is_some_and(|name| !name.contains('/'))
}

/// Paths, exactly one field. Letters' case matters. Where a rule opens something (require None, exempt), only a
/// canonical path matches, which nobody can take for another: its own normal form (RFC 3986 §6.2.2), without `//`, `;`,
/// `.` and `..` segments, `%2F`, `%5C`, `%00`, `%25`, and with nothing percent-encoded that could stand for itself.
/// Elsewhere a path that is not canonical has to satisfy every rule whose paths it may mean, and so has one that differs
/// in letters' case or in a slash at its end only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum PathMatch {
    /// This path and no other, such as `/health`.
    Exact(#[schemars(length(min = 1, max = 1024))] String),
    /// This path and everything below it: `/api` fits `/api` and `/api/users` but not `/apis`; `/` fits every path.
    Prefix(#[schemars(length(min = 1, max = 1024))] String),
    /// Paths of this form: `{name}` is one segment, whatever it holds, and as the last segment `{name=**}` is any number
    /// of them. `/users/{id}/posts` fits `/users/7/posts`.
    Template(#[schemars(length(min = 1, max = 1024))] String),
    /// Paths that this regular expression fits as a whole, such as `/v[0-9]+/status`: RE2 without look-around, flags,
    /// word boundaries and Unicode classes. Paths of more than 2048 bytes fit none. Prefer a template or a prefix.
    Regex(#[schemars(length(min = 1, max = 512))] String),
}

/// A header's value: exactly one of present, exact and matches. Of a header that came more than once, every value
/// must fit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "(has(self.present) ? 1 : 0) + (has(self.exact) ? 1 : 0) + (has(self.matches) ? 1 : 0) == 1",
    "message": "exactly one of present, exact and matches is needed"
}]))]
pub struct HeaderMatch {
    /// The header's name (RFC 9110 §5.1), in any case.
    #[schemars(length(min = 1, max = 256))]
    pub name: String,
    /// Whether the header is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub present: Option<bool>,
    /// The header's whole value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub exact: Option<String>,
    /// A pattern for the header's whole value, in which `*` stands for any run of characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub matches: Option<Glob>,
}

/// The one test of a [`HeaderMatch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderTest<'a> {
    /// The header is there, or is absent.
    Present(bool),
    /// Its value is this.
    Exact(&'a str),
    /// Its value fits the pattern.
    Matches(&'a Glob),
}

impl HeaderMatch {
    /// The test, when there is exactly one.
    #[must_use]
    pub fn test(&self) -> Option<HeaderTest<'_>> {
        match (self.present, &self.exact, &self.matches) {
            (Some(present), None, None) => Some(HeaderTest::Present(present)),
            (None, Some(exact), None) => Some(HeaderTest::Exact(exact)),
            (None, None, Some(glob)) => Some(HeaderTest::Matches(glob)),
            _ => None,
        }
    }
}
