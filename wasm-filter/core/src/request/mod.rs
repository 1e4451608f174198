//! What a request says: its headers, path, host, query, cookies, client and what that client understands.
//!
//! Everything is bytes, as a client may send any. Nothing here fails on them: what is malformed counts as absent, or
//! says that it is malformed, so that nobody takes one of two values for the only one.

mod client_address;
mod cookie;
mod header_list;
mod host;
mod media;
mod path;
mod percent;
mod query;
mod sole;

pub use client_address::{ClientAddress, source_address};
pub use cookie::cookie;
pub use header_list::{HeaderList, MalformedHeaders};
pub use host::Host;
pub use media::{Dialect, Grpc, dialect, grpc};
pub use path::Path;
pub use percent::is_pchar;
pub use query::{parameter, without_parameters};
pub use sole::Sole;

/// What rules and limits look at, read once for each request.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// All headers, pseudo-headers (RFC 9113 §8.3.1) among them.
    pub headers: &'a HeaderList<'a>,
    /// `:method`; empty if there is none, or several.
    pub method: &'a [u8],
    /// `:path`; empty if there is none, or several.
    pub path: Path<'a>,
    /// The host that the request is for, if it names exactly one.
    pub host: Option<Host<'a>>,
}

impl<'a> Request<'a> {
    /// Reads a request's headers.
    #[must_use]
    pub fn of(headers: &'a HeaderList<'a>) -> Self {
        let only = |name| headers.only(name).one().unwrap_or_default();
        Self { headers, method: only(b":method"), path: Path::of(only(b":path")), host: Host::of(headers) }
    }

    /// Whether it is a CORS preflight request (Fetch §3.2.2): OPTIONS with Origin and Access-Control-Request-Method.
    #[must_use]
    pub fn is_preflight(&self) -> bool {
        self.method == b"OPTIONS"
            && self.headers.get(b"origin").is_some()
            && self.headers.get(b"access-control-request-method").is_some()
    }

    /// Whether a rule may open anything for it: its path is canonical, its host is known, and it is no CONNECT, whose
    /// target is not a path (RFC 9110 §9.3.6).
    #[must_use]
    pub fn may_be_opened(&self) -> bool {
        self.path.is_canonical()
            && self.host.is_some()
            && self.method != b"CONNECT"
            && !self.method.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pairs: &[(&str, &str)], preflight: bool, opened: bool) {
        let headers =
            HeaderList::from_pairs(pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())));
        let request = Request::of(&headers);
        assert_eq!((request.is_preflight(), request.may_be_opened()), (preflight, opened), "{pairs:?}");
    }

    #[test]
    fn a_preflight_is_an_options_request_with_an_origin_and_a_method() {
        let options = [(":method", "OPTIONS"), (":path", "/"), (":authority", "a")];
        let (origin, method) = (("origin", "https://b"), ("access-control-request-method", "PUT"));
        check(&options, false, true);
        check(&[&options[..], &[origin]].concat(), false, true);
        check(&[&options[..], &[method]].concat(), false, true);
        check(&[&options[..], &[origin, method]].concat(), true, true);
        check(&[(":method", "GET"), (":path", "/"), (":authority", "a"), origin, method], false, true);
    }

    #[test]
    fn only_a_plain_request_can_be_opened() {
        for (method, path, host, opened) in [
            ("GET", "/", "a", true),
            ("CONNECT", "/", "a", false),
            ("", "/", "a", false),
            ("GET", "", "a", false),
            ("GET", "//", "a", false),
            ("GET", "/", "", false),
            ("OPTIONS", "*", "a", false),
        ] {
            check(&[(":method", method), (":path", path), (":authority", host)], false, opened);
        }
        check(&[(":method", "GET"), (":path", "/"), (":path", "/"), (":authority", "a")], false, false);
        check(&[(":path", "/"), (":authority", "a")], false, false);
    }
}
