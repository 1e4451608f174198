//! Which requests a rule is about.
//!
//! A path that is not canonical (see [`Path`](crate::request::Path)) is not what it seems: what the filter reads as
//! `/public/%2e%2e/admin`, the application may read as `/admin`. Servers differ, so nothing can be known but what such a
//! path *may* mean. Hence two ways to match:
//!
//! - A rule that **opens** (require None, exempt, a preflight that passes) matches only what can mean one thing alone
//!   ([`Route::opens`]).
//! - A rule that **closes** says how sure it is ([`Route::fit`]): `Maybe`, where some server might take the request for
//!   one of its own. For a limit, `Maybe` counts. Where the first rule decides, a request has to satisfy every rule that
//!   may be the first ([`governing`]): so that no spelling comes by with less than each of its meanings would need.

mod governing;
mod header_pattern;
mod host_pattern;
mod limit_key;
mod path_pattern;
mod regex;
#[cfg(test)]
mod servers;
mod template;

pub use governing::{Governing, Governs, Rule, governing};
pub use limit_key::{KeyFacts, LimitKey};
pub use path_pattern::{InvalidPattern, PathPattern};
pub use regex::{InvalidRegex, Regex};
pub use template::{InvalidTemplate, Template};

use crate::RouteMatch;
use crate::request::Request;
use header_pattern::HeaderPattern;
pub use host_pattern::HostPattern;

/// Whether a request is one of those that a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    /// It is not, whatever a server makes of it.
    No,
    /// A server may take it for one.
    Maybe,
    /// It is.
    Yes,
}

impl Fit {
    fn yes_if(fits: bool) -> Self {
        if fits { Self::Yes } else { Self::No }
    }

    /// Whether it may be one.
    #[must_use]
    pub fn possible(self) -> bool {
        self != Self::No
    }
}

/// A [`RouteMatch`], compiled.
#[derive(Clone, Debug)]
pub struct Route {
    path: Option<PathPattern>,
    methods: Vec<Box<[u8]>>,
    hosts: Vec<HostPattern>,
    headers: Vec<HeaderPattern>,
}

impl Route {
    /// Compiles a match.
    ///
    /// # Errors
    /// Its template or regular expression is none, or what it says of a header is not one thing.
    pub fn compile(route: &RouteMatch) -> Result<Self, InvalidPattern> {
        let header = |header| HeaderPattern::compile(header).ok_or(InvalidPattern::Header);
        Ok(Self {
            path: route.path.as_ref().map(PathPattern::compile).transpose()?,
            methods: route.methods.iter().map(|method| method.as_bytes().into()).collect(),
            hosts: route.hosts.iter().map(|host| HostPattern::of(host)).collect(),
            headers: route.headers.iter().map(header).collect::<Result<_, _>>()?,
        })
    }

    /// Whether something may be opened for the request because it is one of these: it can mean nothing else.
    #[must_use]
    pub fn opens(&self, request: &Request<'_>) -> bool {
        request.may_be_opened() && self.fit(request) == Fit::Yes
    }

    /// Whether the request is one of these.
    #[must_use]
    pub fn fit(&self, request: &Request<'_>) -> Fit {
        let path = || self.path.as_ref().map_or(Fit::Yes, |path| path.fit(&request.path));
        let headers = || self.headers.iter().map(|header| header.fit(request.headers)).min();
        // What costs least comes first: most requests fail there.
        let mut fit = self.method(request.method);
        for part in
            [&|| self.host(request), &path, &|| headers().unwrap_or(Fit::Yes)] as [&dyn Fn() -> Fit; 3]
        {
            if fit == Fit::No {
                return fit;
            }
            fit = fit.min(part());
        }
        fit
    }

    /// Methods' case matters (RFC 9110 §9.1), but not to every server.
    fn method(&self, method: &[u8]) -> Fit {
        if self.methods.is_empty() || self.methods.iter().any(|wanted| **wanted == *method) {
            Fit::Yes
        } else if method.is_empty() || self.methods.iter().any(|wanted| wanted.eq_ignore_ascii_case(method)) {
            Fit::Maybe
        } else {
            Fit::No
        }
    }

    fn host(&self, request: &Request<'_>) -> Fit {
        match &request.host {
            _ if self.hosts.is_empty() => Fit::Yes,
            None => Fit::Maybe,
            Some(host) => Fit::yes_if(self.hosts.iter().any(|pattern| pattern.matches(host))),
        }
    }
}
