//! What an application should not see of a request: tokens, and what would have it see another request than the one that
//! passed.

use std::borrow::Cow;

use super::exchange::SignedInWith;
use crate::edit::{Action, Change, Gone};
use crate::program::JwtProgram;
use crate::request::{Request, alike, without_parameters};
use crate::token::Place;

/// Headers by which some servers take a request for one to another path or with another method: a request that was let
/// pass for its path and method, without a token, is no other.
const OVERRIDES: [&[u8]; 5] =
    [b"x-original-url", b"x-rewrite-url", b"x-http-method-override", b"x-http-method", b"x-method-override"];
/// What no browser sends with a preflight (Fetch §3.2.2): an application may take it for a request of somebody's.
const CREDENTIALS: [&[u8]; 2] = [b"authorization", b"cookie"];

/// All that is taken away.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken<'a> {
    jwt: &'a JwtProgram,
    tokens: &'a [SignedInWith],
    /// Further headers, which go whole.
    headers: [&'static [&'static [u8]]; 2],
}

impl<'a> Taken<'a> {
    /// What is taken away where these tokens let a request pass: every place of every provider whose tokens are not the
    /// application's, and of the others all but where the token was.
    pub(super) fn of(jwt: &'a JwtProgram, request: &Request<'_>, tokens: &'a [SignedInWith]) -> Self {
        let headers = match tokens {
            [] if jwt.preflight_passes && request.is_preflight() => [&OVERRIDES[..], &CREDENTIALS],
            [] => [&OVERRIDES[..], &[]],
            _ => [&[][..], &[]],
        };
        Self { jwt, tokens, headers }
    }

    /// The places that are cleared.
    fn places(&self) -> impl Iterator<Item = &'a Place> {
        let Self { jwt, tokens, .. } = *self;
        let is_verified = move |at: usize| tokens.iter().any(|with| with.provider == at);
        let providers = jwt.providers.iter().enumerate();
        providers
            .filter(move |(at, provider)| !provider.spec.forward || is_verified(*at))
            .flat_map(|(_, provider)| &provider.places)
    }

    /// Whether the token at a place goes to the application, so that only what is like it is taken away.
    fn keeps(&self, place: &Place) -> bool {
        self.tokens.iter().any(|with| {
            let provider = self.jwt.providers.get(with.provider).filter(|provider| provider.spec.forward);
            let forwarded = provider.and_then(|provider| provider.places.get(with.place));
            forwarded.is_some_and(|forwarded| forwarded.is_where(place))
        })
    }

    /// What goes of the request's headers.
    pub(super) fn gone<'h>(&self, request: &Request<'h>) -> Gone<'h> {
        let mut left = Vec::new();
        left.extend(self.cookies(request));
        left.extend(self.path(request));
        Gone { names: self.headers(request), left }
    }

    /// The headers that go, each as it stands there.
    fn headers<'h>(&self, request: &Request<'h>) -> Vec<&'h [u8]> {
        let is_taken = |name: &[u8], value: &[u8]| {
            let is_cleared = |place: &Place| match place {
                Place::Header { name: own, scheme } => {
                    alike(name, own)
                        && !(name.eq_ignore_ascii_case(own) && self.keeps(place))
                        && scheme.as_deref().is_none_or(|scheme| holds(value, scheme))
                }
                Place::Cookie(_) | Place::QueryParameter(_) => false,
            };
            let mut whole = self.headers.iter().copied().flatten();
            whole.any(|own| alike(name, own)) || self.places().any(is_cleared)
        };
        request.headers.iter().filter(|(name, value)| is_taken(name, value)).map(|(name, _)| name).collect()
    }

    /// What is left of the cookies, if some go.
    fn cookies<'h>(&self, request: &Request<'_>) -> Option<Change<'h>> {
        if !self.places().any(|place| matches!(place, Place::Cookie(_))) {
            return None;
        }
        let is_cookie = |key: &[u8]| {
            self.is_cleared(key, |place| match place {
                Place::Cookie(name) => Some(name.as_ref()),
                Place::Header { .. } | Place::QueryParameter(_) => None,
            })
        };
        let pairs = request.headers.values(b"cookie").flat_map(|value| value.split(|byte| *byte == b';'));
        let pairs = pairs.map(<[u8]>::trim_ascii).filter(|pair| !pair.is_empty());
        let (taken, kept): (Vec<_>, Vec<_>) = pairs.partition(|pair| {
            let end = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            pair.get(..end).is_some_and(|key| is_cookie(key.trim_ascii()))
        });
        let left = (!kept.is_empty()).then(|| kept.join(&b"; "[..]));
        (!taken.is_empty()).then(|| replace(b"cookie", left))
    }

    /// What is left of the path, if parameters of its query go.
    fn path<'h>(&self, request: &Request<'_>) -> Option<Change<'h>> {
        let query = request.path.query()?;
        if !self.places().any(|place| matches!(place, Place::QueryParameter(_))) {
            return None;
        }
        let is_parameter = |key: &[u8]| {
            self.is_cleared(key, |place| match place {
                Place::QueryParameter(name) => Some(name.as_ref()),
                Place::Header { .. } | Place::Cookie(_) => None,
            })
        };
        let left = without_parameters(query, is_parameter)?;
        let path = [request.path.as_bytes(), left.as_slice()];
        let separator: &[u8] = if left.is_empty() { b"" } else { b"?" };
        Some(replace(b":path", Some(path.join(separator))))
    }

    /// Whether what stands under this key is cleared, `name` giving the name of a place of the key's kind. A key may be
    /// that of a list or a map (`token[]`), of which frameworks make the name before it.
    fn is_cleared(&self, key: &[u8], name: impl Fn(&'a Place) -> Option<&'a [u8]>) -> bool {
        let base = key.split(|byte| *byte == b'[').next().unwrap_or_default();
        self.places().any(|place| {
            name(place).is_some_and(|own| alike(base, own) && !(key == own && self.keeps(place)))
        })
    }
}

/// Whether a value begins with a scheme, or has it as a word, such as behind a comma.
fn holds(value: &[u8], scheme: &[u8]) -> bool {
    let is_scheme = |word: &[u8]| word.eq_ignore_ascii_case(scheme);
    value.trim_ascii().get(..scheme.len()).is_some_and(is_scheme)
        || value.split(|byte| !byte.is_ascii_graphic() || matches!(byte, b',' | b';' | b'"')).any(is_scheme)
}

fn replace<'h>(name: &'static [u8], left: Option<Vec<u8>>) -> Change<'h> {
    Change { name: Cow::Borrowed(name), action: Action::Replace, value: left.map(Cow::Owned) }
}
