//! What a limit counts apart.

use std::borrow::Cow;

use super::{InvalidTemplate, Template};
use crate::edit::FindClaim;
use crate::request::{ClientAddress, Path, Request, Sole, cookie, parameter};
use crate::{ClaimPath, KeySource, PathKey};

/// A [`KeySource`], compiled.
#[derive(Clone, Debug)]
pub struct LimitKey(Source);

#[derive(Clone, Debug)]
enum Source {
    Claim { provider: String, path: ClaimPath },
    ClientAddress { ipv4_prefix: u8, ipv6_prefix: u8 },
    Constant(Box<[u8]>),
    Cookie(Box<[u8]>),
    Header { name: Box<[u8]>, from_peers: Vec<String> },
    Host,
    Method,
    Path { segments: usize, templates: Vec<(Template, Box<[u8]>)> },
    Peer,
    Query(Box<[u8]>),
}

/// What keys are made of.
#[derive(Clone, Copy)]
pub struct KeyFacts<'a> {
    /// The request.
    pub request: &'a Request<'a>,
    /// The client's address.
    pub client: Option<ClientAddress>,
    /// The identity in the client's certificate of mutual TLS, without `spiffe://`.
    pub peer: Option<&'a [u8]>,
    /// Finds claims of valid tokens.
    pub claim: FindClaim<'a>,
}

/// The methods of RFC 9110 §9 and RFC 5789. Others would let a client have as many limits as it can think of names.
const METHODS: [&[u8]; 9] =
    [b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"CONNECT", b"OPTIONS", b"TRACE", b"PATCH"];

impl LimitKey {
    /// Compiles a part of a key.
    ///
    /// # Errors
    /// One of its templates is none.
    pub fn compile(source: &KeySource) -> Result<Self, InvalidTemplate> {
        Ok(Self(match source {
            KeySource::Claim(claim) => {
                Source::Claim { provider: claim.provider.clone(), path: claim.path.clone() }
            }
            KeySource::ClientAddress(address) => Source::ClientAddress {
                ipv4_prefix: address.ipv4_prefix(),
                ipv6_prefix: address.ipv6_prefix(),
            },
            KeySource::Constant(constant) => Source::Constant(constant.value.as_bytes().into()),
            KeySource::Cookie(cookie) => Source::Cookie(cookie.name.as_bytes().into()),
            KeySource::Header(header) => {
                Source::Header { name: header.name.as_bytes().into(), from_peers: header.from_peers.clone() }
            }
            KeySource::Host(_) => Source::Host,
            KeySource::Method(_) => Source::Method,
            KeySource::Path(PathKey { segments, templates }) => {
                let compile = |text: &String| Ok((Template::parse(text)?, text.as_bytes().into()));
                let templates = templates.iter().map(compile).collect::<Result<_, InvalidTemplate>>()?;
                Source::Path { segments: (*segments).into(), templates }
            }
            KeySource::Peer(_) => Source::Peer,
            KeySource::Query(query) => Source::Query(query.name.as_bytes().into()),
        }))
    }

    /// Whether its value hangs on who the connection's client is.
    #[must_use]
    pub fn asks_for_peer(&self) -> bool {
        match &self.0 {
            Source::Peer => true,
            Source::Header { from_peers, .. } => !from_peers.is_empty(),
            _ => false,
        }
    }

    /// Its value for a request; `None` if it is missing, or comes more than once.
    #[must_use]
    pub fn value<'a>(&'a self, facts: &KeyFacts<'a>) -> Option<Cow<'a, [u8]>> {
        let request = facts.request;
        match &self.0 {
            Source::Claim { provider, path } => (facts.claim)(provider, path),
            Source::ClientAddress { ipv4_prefix, ipv6_prefix } => {
                Some(Cow::Owned(facts.client?.network(*ipv4_prefix, *ipv6_prefix)))
            }
            Source::Constant(value) => Some(Cow::Borrowed(value)),
            Source::Cookie(name) => cookie(request.headers, name).one().map(Cow::Borrowed),
            Source::Header { name, from_peers } => {
                let is_peer = |peer: &String| facts.peer == Some(peer.as_bytes());
                let believed = from_peers.is_empty() || from_peers.iter().any(is_peer);
                if believed { request.headers.only(name).one().map(Cow::Borrowed) } else { None }
            }
            Source::Host => request.host.as_ref().map(|host| Cow::Borrowed(host.as_bytes())),
            Source::Method => {
                let known = METHODS.into_iter().find(|method| *method == request.method);
                Some(Cow::Borrowed(known.unwrap_or(b"other")))
            }
            Source::Path { segments, templates } => Some(path_value(&request.path, *segments, templates)),
            Source::Peer => facts.peer.map(Cow::Borrowed),
            Source::Query(name) => match parameter(request.path.query(), name) {
                Sole::One(value) => Some(value),
                Sole::Missing | Sole::Malformed => None,
            },
        }
    }
}

/// One value for all spellings of a path, as far as can be.
///
/// A path that is not canonical counts by the first template that it may fit. Were it counted by what is certain of it,
/// `/users/7/%70osts` and `/users/8/%70osts` would have limits of their own beside that of `/users/{id}/posts`.
fn path_value<'a>(path: &Path<'a>, segments: usize, templates: &'a [(Template, Box<[u8]>)]) -> Cow<'a, [u8]> {
    let sure = path.sure();
    let end = sure.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
    let bare = sure.get(..end).unwrap_or_default();
    if let Some((_, text)) =
        templates.iter().find(|(template, _)| may_fit(template, bare, path.is_canonical()))
    {
        return Cow::Borrowed(text);
    }
    let slashes = bare.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
    let counted = if segments == 0 { None } else { slashes.clone().nth(segments) };
    let enough = segments > 0 && slashes.count() >= segments;
    let mut value = bare.get(..counted.unwrap_or(bare.len())).unwrap_or_default().to_ascii_lowercase();
    if !path.is_canonical() && !enough {
        // No canonical path has two slashes.
        value.extend_from_slice(b"//");
    }
    Cow::Owned(value)
}

/// Whether a path, without a slash at its end, fits a template: so, or with one. Or only the start of a path: whether
/// some path that starts so does.
fn may_fit(template: &Template, bare: &[u8], is_whole: bool) -> bool {
    let fits = |path: &[u8]| {
        template.align(path, <[u8]>::eq_ignore_ascii_case).is_some_and(|found| found.whole || !is_whole)
    };
    fits(bare) || fits(&[bare, b"/"].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{HeaderList, source_address};

    #[track_caller]
    fn check(source: &str, sent: &[(&str, &str)], wanted: Option<&str>) {
        let headers =
            HeaderList::from_pairs(sent.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())));
        let source: KeySource = serde_json::from_str(source).unwrap();
        let key = LimitKey::compile(&source).unwrap();
        let claim = |provider: &str, path: &[String]| {
            (provider == "p" && path == ["sub"]).then_some(Cow::Borrowed(&b"ada"[..]))
        };
        let facts = KeyFacts {
            request: &Request::of(&headers),
            client: source_address(b"10.1.2.3:4"),
            peer: Some(b"td/ns/a/sa/b"),
            claim: &claim,
        };
        let value = key.value(&facts).map(|value| String::from_utf8(value.to_vec()).unwrap());
        assert_eq!(value.as_deref(), wanted, "{source:?} {sent:?}");
    }

    #[test]
    fn a_key_is_what_its_source_says() {
        check(r#"{"claim": {"provider": "p", "path": ["sub"]}}"#, &[], Some("ada"));
        check(r#"{"claim": {"provider": "q", "path": ["sub"]}}"#, &[], None);
        check(r#"{"clientAddress": {"ipv4Prefix": 8}}"#, &[], Some("\n\0\0\0"));
        check(r#"{"constant": {"value": "shop"}}"#, &[], Some("shop"));
        check(r#"{"cookie": {"name": "s"}}"#, &[("cookie", "s=1")], Some("1"));
        check(r#"{"cookie": {"name": "s"}}"#, &[("cookie", "s=1; s=2")], None);
        check(r#"{"query": {"name": "k"}}"#, &[(":path", "/?k=a%20b")], Some("a b"));
        check(r#"{"query": {"name": "k"}}"#, &[(":path", "/?k=a&k=b")], None);
        check(r#"{"header": {"name": "x-a"}}"#, &[("X-A", "1")], Some("1"));
        check(r#"{"header": {"name": "x-a"}}"#, &[("x-a", "1"), ("x-a", "2")], None);
        check(r#"{"header": {"name": "x-a", "fromPeers": ["td/ns/a/sa/b"]}}"#, &[("x-a", "1")], Some("1"));
        check(r#"{"header": {"name": "x-a", "fromPeers": ["td/ns/a/sa/c"]}}"#, &[("x-a", "1")], None);
        check(r#"{"host": {}}"#, &[(":authority", "A.example:80")], Some("a.example"));
        check(r#"{"host": {}}"#, &[], None);
        check(r#"{"method": {}}"#, &[(":method", "PATCH")], Some("PATCH"));
        check(r#"{"method": {}}"#, &[(":method", "BREW")], Some("other"));
        check(r#"{"method": {}}"#, &[(":method", "get")], Some("other"));
        check(r#"{"peer": {}}"#, &[], Some("td/ns/a/sa/b"));
    }

    #[test]
    fn spellings_of_a_path_share_a_limit() {
        for (key, path, wanted) in [
            ("{}", "/a/b", "/a/b"),
            ("{}", "/A/b/?c", "/a/b"),
            ("{}", "/", ""),
            ("{}", "/a//b", "/a//"),
            ("{}", "/a//c", "/a//"),
            ("{}", "/a/b%40c", "/a//"),
            ("{}", "/a/../b", "//"),
            ("{}", "*", "//"),
            (r#"{"segments": 1}"#, "/a/b", "/a"),
            (r#"{"segments": 2}"#, "/a/b", "/a/b"),
            (r#"{"segments": 3}"#, "/a/b", "/a/b"),
            (r#"{"segments": 1}"#, "/a/b%40c", "/a"),
            (r#"{"segments": 2}"#, "/a/b%40c", "/a//"),
            (r#"{"segments": 1}"#, "//a", "//"),
            (r#"{"templates": ["/u/{id}", "/u/{id}/x"]}"#, "/u/7", "/u/{id}"),
            (r#"{"templates": ["/u/{id}", "/u/{id}/x"]}"#, "/U/7/", "/u/{id}"),
            (r#"{"templates": ["/u/{id}", "/u/{id}/x"]}"#, "/u/7/x", "/u/{id}/x"),
            (r#"{"templates": ["/u/{id}"], "segments": 1}"#, "/v/7", "/v"),
            (r#"{"templates": ["/u/{id}"], "segments": 1}"#, "/v/a%40b", "/v"),
            (r#"{"templates": ["/u/{id}"]}"#, "/v/a%40b", "/v//"),
            (r#"{"templates": ["/u/{id}"], "segments": 1}"#, "/u/a%40b", "/u/{id}"),
            (r#"{"templates": ["/u/{id}"]}"#, "/u/%37", "/u/{id}"),
            (r#"{"templates": ["/u/{id}"]}"#, "//u/7", "/u/{id}"),
            (r#"{"templates": ["/u/{id}/x"]}"#, "/u/7/%78", "/u/{id}/x"),
            (r#"{"templates": ["/u/{id}/x"]}"#, "/u/8;a/x", "/u/{id}/x"),
            (r#"{"templates": ["/u/{id}/", "/w/{all=**}"]}"#, "/U/7", "/u/{id}/"),
            (r#"{"templates": ["/u/{id}/", "/w/{all=**}"]}"#, "/w", "/w/{all=**}"),
        ] {
            check(&format!(r#"{{"path": {key}}}"#), &[(":path", path)], Some(wanted));
        }
    }
}
