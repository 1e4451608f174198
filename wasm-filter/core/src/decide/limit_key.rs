//! What a limit counts a request by.

use std::borrow::Cow;

use super::authenticate::Accepted;
use crate::host::Connection;
use crate::program::{KeyPart, LimitProgram};
use crate::request::{ClientAddress, Request, cookie, parameter};
use crate::token::{claim, scalar};
use crate::{KeySource, MissingKey, PathKey};

/// What a limit counts a request by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Keyed {
    /// These parts.
    By(Vec<Vec<u8>>),
    /// Nothing: the limit does not count it.
    Not,
    /// A part is missing, and the policy refuses such requests.
    Refused,
}

/// What limits look at.
pub(super) struct Subject<'a> {
    pub(super) request: &'a Request<'a>,
    pub(super) tokens: &'a [Accepted<'a>],
    pub(super) client: Option<ClientAddress>,
    pub(super) connection: &'a dyn Connection,
}

/// The methods that count apart (RFC 9110 §9.3, RFC 5789): whoever makes up others has no limits of their own.
const METHODS: [&[u8]; 9] =
    [b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"CONNECT", b"OPTIONS", b"TRACE", b"PATCH"];

/// What the limit counts the request by. Keys that took another's place are told from all others.
pub(super) fn key_of(limit: &LimitProgram, subject: &Subject<'_>) -> Keyed {
    let parts: Option<Vec<_>> =
        limit.key.iter().map(|part| subject.part(part).map(Cow::into_owned)).collect();
    if let Some(mut parts) = parts {
        parts.push(b"key".to_vec());
        return Keyed::By(parts);
    }
    match limit.on_missing_key {
        MissingKey::Deny => Keyed::Refused,
        MissingKey::Skip => Keyed::Not,
        MissingKey::ClientAddress => {
            let address = subject.client.map(|client| client.network(32, 64)).unwrap_or_default();
            Keyed::By(vec![address, b"address".to_vec()])
        }
    }
}

impl<'a> Subject<'a> {
    fn part(&self, part: &'a KeyPart) -> Option<Cow<'a, [u8]>> {
        let request = self.request;
        Some(match &part.source {
            KeySource::Claim(key) => {
                let accepted = self.tokens.iter().find(|token| Some(token.provider) == part.provider)?;
                Cow::Borrowed(claim(&accepted.token.claims, &key.path).and_then(scalar)?.as_bytes())
            }
            KeySource::ClientAddress(key) => {
                Cow::Owned(self.client?.network(key.ipv4_prefix(), key.ipv6_prefix()))
            }
            KeySource::Constant(key) => Cow::Borrowed(key.value.as_bytes()),
            KeySource::Cookie(key) => Cow::Borrowed(cookie(request.headers, key.name.as_bytes()).one()?),
            KeySource::Header(key) => {
                if !key.from_peers.is_empty()
                    && !self.peer().is_some_and(|peer| key.from_peers.contains(&peer))
                {
                    return None;
                }
                Cow::Borrowed(request.headers.only(key.name.as_bytes()).one()?)
            }
            KeySource::Host(_) => Cow::Owned(request.host.as_ref()?.as_bytes().to_vec()),
            KeySource::Method(_) => Cow::Borrowed(
                METHODS.into_iter().find(|method| *method == request.method).unwrap_or(b"other"),
            ),
            KeySource::Path(key) => Cow::Owned(path(key, part, request)),
            KeySource::Peer(_) => Cow::Owned(self.peer()?.into_bytes()),
            KeySource::Query(key) => parameter(request.path.query(), key.name.as_bytes()).one()?,
        })
    }

    /// The identity in the client's certificate, without `spiffe://`.
    fn peer(&self) -> Option<String> {
        let uri = String::from_utf8(self.connection.peer()?).ok()?;
        let identity = uri.strip_prefix("spiffe://").unwrap_or(&uri);
        (!identity.is_empty()).then(|| identity.to_owned())
    }
}

/// What of a path counts. One that may mean several things counts by what it surely means.
fn path(key: &PathKey, part: &KeyPart, request: &Request<'_>) -> Vec<u8> {
    if !request.path.is_canonical() {
        let mut sure = leading(key.segments, request.path.sure());
        sure.push(b';');
        return sure;
    }
    let path = request.path.as_bytes();
    let template = part.templates.iter().position(|template| template.matches(path));
    match template.and_then(|at| key.templates.get(at)) {
        Some(template) => [b"template ", template.as_bytes()].concat(),
        None => leading(key.segments, path),
    }
}

/// So many leading segments, 0 for all, in lower case and without a slash at the end.
fn leading(segments: u8, path: &[u8]) -> Vec<u8> {
    let path = path.strip_suffix(b"/").unwrap_or(path);
    let end = match segments {
        0 => None,
        segments => {
            let mut slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
            slashes.nth(segments.into())
        }
    };
    path.get(..end.unwrap_or(path.len())).unwrap_or_default().to_ascii_lowercase()
}
