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
mod spelling;

pub use client_address::{ClientAddress, source_address};
pub use cookie::cookie;
pub use header_list::{HeaderList, MalformedHeaders};
pub use host::Host;
pub use media::{Dialect, Grpc, dialect, grpc};
pub use path::Path;
pub use percent::is_pchar;
pub use query::{parameter, without_parameters};
pub use sole::Sole;
pub use spelling::{alike, plain};

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
        let [mut method, mut path, mut authority, mut host] = [Sole::Missing; 4];
        for (name, value) in headers.iter() {
            let field = match name {
                b":method" => &mut method,
                b":path" => &mut path,
                b":authority" => &mut authority,
                name if name.eq_ignore_ascii_case(b"host") => &mut host,
                _ => continue,
            };
            *field = field.and(value);
        }
        Self {
            headers,
            method: method.one().unwrap_or_default(),
            path: Path::of(path.one().unwrap_or_default()),
            host: Host::of(authority, host),
        }
    }

    /// Whether it is a CORS preflight request (Fetch §3.2.2) as browsers send it: OPTIONS with one Origin and one method in
    /// Access-Control-Request-Method, without content, and in no other protocol than HTTP (RFC 9110 §7.8).
    #[must_use]
    pub fn is_preflight(&self) -> bool {
        let headers = self.headers;
        let only = |name| headers.only(name).one();
        let has_content = || {
            headers.has_content()
                || headers.get(b"transfer-encoding").is_some()
                || headers.values(b"content-length").any(|length| length != b"0")
        };
        self.method == b"OPTIONS"
            && only(b"origin").is_some()
            && only(b"access-control-request-method").is_some_and(is_method)
            && !has_content()
            && headers.get(b"upgrade").is_none()
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

/// Whether these bytes are a method: letters, and the hyphen of a few.
fn is_method(method: &[u8]) -> bool {
    !method.is_empty() && method.iter().all(|byte| byte.is_ascii_alphabetic() || *byte == b'-')
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
    fn what_no_browser_sends_is_no_preflight() {
        let preflight = [
            (":method", "OPTIONS"),
            (":path", "/"),
            (":authority", "a"),
            ("origin", "https://b"),
            ("access-control-request-method", "PUT"),
        ];
        check(&[&preflight[..], &[("content-length", "0")]].concat(), true, true);
        for more in [
            ("upgrade", "websocket"),
            ("content-length", "1"),
            ("content-length", ""),
            ("transfer-encoding", "chunked"),
            ("origin", "https://c"),
            ("access-control-request-method", "GET"),
        ] {
            check(&[&preflight[..], &[more]].concat(), false, true);
        }
        for method in ["", "PUT GET", "*", "PUT,GET"] {
            check(&[&preflight[..4], &[("access-control-request-method", method)]].concat(), false, true);
        }
        let headers = HeaderList::from_pairs(preflight.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())));
        assert!(Request::of(&headers).is_preflight());
        assert!(!Request::of(&headers.clone().with_content(true)).is_preflight());
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
