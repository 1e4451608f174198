//! The host that a request is for.

use std::borrow::Cow;
use std::net::Ipv6Addr;

use super::Sole;

/// A request's host (RFC 3986 §3.2.2) in lower case, without port and without the dot that may end a name: a DNS name, an
/// IPv4 address, or an IPv6 address in brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host<'a>(Cow<'a, [u8]>);

impl<'a> Host<'a> {
    /// The host of `:authority`, or of Host where that is what the proxy has (RFC 9113 §8.3.1). `None` where there is
    /// none, where there are two that differ, and where it is not a host and perhaps a port.
    #[must_use]
    pub(super) fn of(authority: Sole<&'a [u8]>, host: Sole<&'a [u8]>) -> Option<Self> {
        match (authority, host) {
            (Sole::One(one), Sole::Missing) | (Sole::Missing, Sole::One(one)) => Self::parse(one),
            (Sole::One(one), Sole::One(other)) if one == other => Self::parse(one),
            _ => None,
        }
    }

    /// Reads an authority without user information (RFC 9110 §4.2.4 forbids it).
    #[must_use]
    pub fn parse(authority: &'a [u8]) -> Option<Self> {
        let (host, port) = if authority.starts_with(b"[") {
            let end = authority.iter().position(|byte| *byte == b']')?;
            authority.split_at_checked(end + 1)?
        } else {
            let end = authority.iter().position(|byte| *byte == b':').unwrap_or(authority.len());
            authority.split_at_checked(end)?
        };
        if let Some(port) = port.strip_prefix(b":") {
            let number = std::str::from_utf8(port).ok()?;
            if !port.iter().all(u8::is_ascii_digit) || number.parse::<u16>().is_err() {
                return None;
            }
        } else if !port.is_empty() {
            return None;
        }
        if host.starts_with(b"[") {
            let address = host.strip_prefix(b"[")?.strip_suffix(b"]")?;
            std::str::from_utf8(address).ok()?.parse::<Ipv6Addr>().ok()?;
        } else {
            // Underscores are no part of a host's name, but of the names of some services.
            let host = host.strip_suffix(b".").unwrap_or(host);
            let label = |label: &[u8]| {
                !label.is_empty()
                    && label.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
            };
            if !host.split(|byte| *byte == b'.').all(label) {
                return None;
            }
        }
        let host = host.strip_suffix(b".").unwrap_or(host);
        Some(Self(if host.iter().any(u8::is_ascii_uppercase) {
            Cow::Owned(host.to_ascii_lowercase())
        } else {
            Cow::Borrowed(host)
        }))
    }

    /// The host.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{HeaderList, Request};

    #[test]
    fn a_host_is_in_lower_case_and_without_port_and_dot() {
        for (authority, host) in [
            ("api.example.com", Some("api.example.com")),
            ("API.Example.com:8080", Some("api.example.com")),
            ("example.com.", Some("example.com")),
            ("example.com.:443", Some("example.com")),
            ("svc_1", Some("svc_1")),
            ("10.0.0.1:80", Some("10.0.0.1")),
            ("[2001:DB8::1]:80", Some("[2001:db8::1]")),
            ("[::1]", Some("[::1]")),
            ("", None),
            (".", None),
            ("a..b", None),
            (".a", None),
            ("a..", None),
            (":80", None),
            ("a:", None),
            ("a:b", None),
            ("a:+1", None),
            ("a:65536", None),
            ("a:1:2", None),
            ("::1", None),
            ("[::1", None),
            ("[::1]x", None),
            ("[a]", None),
            ("user@a", None),
            ("a/b", None),
            ("a b", None),
            ("a\0", None),
            ("é", None),
            ("*.a", None),
        ] {
            let parsed = Host::parse(authority.as_bytes());
            assert_eq!(parsed.as_ref().map(Host::as_bytes), host.map(str::as_bytes), "{authority}");
        }
    }

    #[test]
    fn a_request_with_two_hosts_has_none() {
        let of = |pairs: &[(&str, &str)]| {
            let headers = HeaderList::from_pairs(pairs.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())));
            Request::of(&headers).host.map(|host| String::from_utf8(host.as_bytes().to_vec()).unwrap())
        };
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[(":authority", "a")]).as_deref(), Some("a"));
        assert_eq!(of(&[("Host", "a")]).as_deref(), Some("a"));
        assert_eq!(of(&[(":authority", "a"), ("host", "a")]).as_deref(), Some("a"));
        assert_eq!(of(&[(":authority", "a"), ("host", "b")]), None);
        assert_eq!(of(&[(":authority", "a"), (":authority", "a")]), None);
        assert_eq!(of(&[(":authority", "a"), ("host", "a"), ("host", "a")]), None);
    }
}
