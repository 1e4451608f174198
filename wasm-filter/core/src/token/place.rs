//! Where a request carries a token.

use std::borrow::Cow;

use crate::request::{Request, Sole, cookie, parameter};
use crate::{Provider, TokenLocation};

/// A place where a request may carry a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A header, after a scheme if there is one. The name is in lower case.
    Header {
        /// The header's name.
        name: Box<[u8]>,
        /// The word before the token (RFC 9110 §11.1).
        scheme: Option<Box<[u8]>>,
    },
    /// A cookie.
    Cookie(Box<[u8]>),
    /// A parameter of the query.
    QueryParameter(Box<[u8]>),
}

/// A token that a request carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presented<'a> {
    /// The token.
    pub token: Cow<'a, [u8]>,
    /// Where it was, in the order of the provider's places.
    pub place: usize,
}

impl Place {
    /// The places of a provider; without any, `Authorization: Bearer` (RFC 6750 §2.1).
    #[must_use]
    pub fn of(provider: &Provider) -> Vec<Self> {
        let places: Vec<Self> = provider
            .token_from
            .iter()
            .filter_map(|source| {
                Some(match source.location()? {
                    TokenLocation::Header { name, scheme } => Self::Header {
                        name: name.to_ascii_lowercase().into_bytes().into(),
                        scheme: scheme.map(|scheme| scheme.as_bytes().into()),
                    },
                    TokenLocation::Cookie(name) => Self::Cookie(name.as_bytes().into()),
                    TokenLocation::QueryParameter(name) => Self::QueryParameter(name.as_bytes().into()),
                })
            })
            .collect();
        if places.is_empty() {
            vec![Self::Header { name: (*b"authorization").into(), scheme: Some((*b"Bearer").into()) }]
        } else {
            places
        }
    }

    /// Whether this is where the other is, whatever scheme is expected there.
    #[must_use]
    pub fn is_where(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Header { name, .. }, Self::Header { name: other, .. }) => name == other,
            _ => self == other,
        }
    }

    /// The token at this place. Malformed where there are several: which of them the application would take is not
    /// known.
    fn look<'a>(&self, request: &Request<'a>) -> Sole<Cow<'a, [u8]>> {
        match self {
            Self::Header { name, scheme } => match request.headers.only(name) {
                Sole::One(value) => after(scheme.as_deref(), value)
                    .map_or(Sole::Missing, |token| Sole::One(Cow::Borrowed(token))),
                Sole::Missing => Sole::Missing,
                Sole::Malformed => Sole::Malformed,
            },
            Self::Cookie(name) => match cookie(request.headers, name) {
                Sole::One(value) => Sole::One(Cow::Borrowed(value)),
                Sole::Missing => Sole::Missing,
                Sole::Malformed => Sole::Malformed,
            },
            Self::QueryParameter(name) => parameter(request.path.query(), name),
        }
    }
}

/// The token of a request: at the first place that holds one.
#[must_use]
pub fn find<'a>(places: &[Place], request: &Request<'a>) -> Sole<Presented<'a>> {
    for (place, at) in places.iter().enumerate() {
        match at.look(request) {
            Sole::Missing => {}
            Sole::One(token) => return Sole::One(Presented { token, place }),
            Sole::Malformed => return Sole::Malformed,
        }
    }
    Sole::Missing
}

/// What stands behind the scheme and the spaces after it; all of the value where there is no scheme.
fn after<'a>(scheme: Option<&[u8]>, value: &'a [u8]) -> Option<&'a [u8]> {
    let Some(scheme) = scheme else { return Some(value.trim_ascii()) };
    let (word, rest) = value.trim_ascii().split_at_checked(scheme.len())?;
    let token = rest.trim_ascii_start();
    (word.eq_ignore_ascii_case(scheme) && token.len() < rest.len()).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::HeaderList;

    fn places(token_from: serde_json::Value) -> Vec<Place> {
        let provider = serde_json::json!({
            "name": "p", "issuer": "i", "algorithms": ["RS256"], "jwks": {}, "tokenFrom": token_from,
        });
        Place::of(&serde_json::from_value(provider).unwrap())
    }

    #[track_caller]
    fn check(token_from: serde_json::Value, headers: &[(&str, &str)], want: Sole<&str>) {
        let headers =
            HeaderList::from_pairs(headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())));
        let got = match find(&places(token_from), &Request::of(&headers)) {
            Sole::One(presented) => Sole::One(String::from_utf8(presented.token.into_owned()).unwrap()),
            Sole::Missing => Sole::Missing,
            Sole::Malformed => Sole::Malformed,
        };
        let want = match want {
            Sole::One(token) => Sole::One(token.to_owned()),
            Sole::Missing => Sole::Missing,
            Sole::Malformed => Sole::Malformed,
        };
        assert_eq!(got, want);
    }

    #[test]
    fn by_default_a_token_is_a_bearer_token() {
        let default = || serde_json::json!([]);
        check(default(), &[("authorization", "Bearer a.b.c")], Sole::One("a.b.c"));
        check(default(), &[("authorization", "bEARER   a.b.c ")], Sole::One("a.b.c"));
        check(default(), &[("authorization", "Bearer")], Sole::Missing);
        check(default(), &[("authorization", "Bearera.b.c")], Sole::Missing);
        check(default(), &[("authorization", "Basic YTpi")], Sole::Missing);
        check(default(), &[("authorization", "a.b.c")], Sole::Missing);
        check(default(), &[], Sole::Missing);
    }

    #[test]
    fn two_tokens_at_one_place_are_not_one() {
        let two = [("authorization", "Bearer a.b.c"), ("Authorization", "Bearer d.e.f")];
        check(serde_json::json!([]), &two, Sole::Malformed);
        let cookies = [("cookie", "t=a.b.c; t=d.e.f")];
        check(serde_json::json!([{"cookie": "t"}]), &cookies, Sole::Malformed);
        let query = [(":path", "/?t=a.b.c&t=d.e.f")];
        check(serde_json::json!([{"queryParameter": "t"}]), &query, Sole::Malformed);
    }

    #[test]
    fn the_first_place_that_holds_a_token_counts() {
        let all = || serde_json::json!([{"header": "X-Token"}, {"cookie": "t"}, {"queryParameter": "t"}]);
        let (header, cookie, query) = (("x-token", "h"), ("cookie", "a=b; t=c"), (":path", "/?t=q"));
        check(all(), &[header, cookie, query], Sole::One("h"));
        check(all(), &[cookie, query], Sole::One("c"));
        check(all(), &[query], Sole::One("q"));
        check(all(), &[(":path", "/t=q")], Sole::Missing);
    }
}
