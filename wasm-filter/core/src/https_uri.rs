//! An address that keys are fetched from.

use std::net::Ipv4Addr;

use sallyport_policy::{InvalidName, check_dns_subdomain};
use thiserror::Error;

/// A URI (RFC 3986 §3) that is https, at a host with a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpsUri<'u> {
    /// The host: a name in lower case.
    pub host: &'u str,
    /// The port; 443 where none is written.
    pub port: u16,
    /// The path, with the query: what is asked for there (RFC 9112 §3.2.1).
    pub path: String,
}

/// Why a text is no such URI.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InvalidHttpsUri {
    /// It has another scheme, or none.
    #[error("it does not start with https://")]
    Scheme,
    /// It holds what none may.
    #[error("it holds {0:?}")]
    Character(char),
    /// It has a fragment, which no server gets.
    #[error("it has a fragment")]
    Fragment,
    /// It has a user's name or password.
    #[error("it holds a user's name or password")]
    User,
    /// Its host has no name.
    #[error("its host is an IP address: write a name")]
    Address,
    /// Its port is none.
    #[error("its port is not a number from 1 to 65535")]
    Port,
    /// Its host is no name.
    #[error(transparent)]
    Host(#[from] InvalidName),
}

impl<'u> HttpsUri<'u> {
    /// Reads one.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(uri: &'u str) -> Result<Self, InvalidHttpsUri> {
        let rest = uri.strip_prefix("https://").ok_or(InvalidHttpsUri::Scheme)?;
        if let Some(c) = uri.chars().find(|c| !c.is_ascii_graphic() || "\\\"<>^`{|}".contains(*c)) {
            return Err(InvalidHttpsUri::Character(c));
        }
        if uri.contains('#') {
            return Err(InvalidHttpsUri::Fragment);
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
        if authority.contains('@') {
            return Err(InvalidHttpsUri::User);
        }
        if authority.starts_with('[') {
            return Err(InvalidHttpsUri::Address);
        }
        let (host, port) = match authority.split_once(':') {
            None => (authority, 443),
            Some((host, port)) => (host, read_port(port).ok_or(InvalidHttpsUri::Port)?),
        };
        if is_ipv4(host) {
            return Err(InvalidHttpsUri::Address);
        }
        check_dns_subdomain(host)?;
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Self { host, port, path })
    }

    /// The host, and the port if it is not 443: what Host and `:authority` say (RFC 9110 §7.2).
    #[must_use]
    pub fn authority(&self) -> String {
        if self.port == 443 { self.host.to_owned() } else { format!("{}:{}", self.host, self.port) }
    }
}

fn read_port(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port > 0)
}

/// Whether resolvers take the host for an IPv4 address: its last label is a number, in any base (WHATWG URL §3.5).
fn is_ipv4(host: &str) -> bool {
    let last = host.strip_suffix('.').unwrap_or(host).rsplit('.').next().unwrap_or_default();
    let hexadecimal = last
        .strip_prefix("0x")
        .or_else(|| last.strip_prefix("0X"))
        .is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
    let decimal = !last.is_empty() && last.bytes().all(|b| b.is_ascii_digit());
    host.parse::<Ipv4Addr>().is_ok() || hexadecimal || decimal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_fetched_by_https_from_a_named_host_only() {
        for uri in [
            "https://issuer.example/jwks.json",
            "https://issuer.example",
            "https://issuer.example:8443/keys?kid=1",
            "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com",
            "https://keys.v1/jwks",
        ] {
            assert!(HttpsUri::parse(uri).is_ok(), "{uri}");
        }
        for uri in [
            "",
            "http://issuer.example/jwks.json",
            "HTTPS://issuer.example/jwks.json",
            "https:/issuer.example",
            "https://",
            "https:///jwks.json",
            "https://10.0.0.1/",
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f000001/",
            "https://a.0x1/",
            "https://10.0.0.1./",
            "https://[::1]/",
            "https://[::1]:443/",
            "https://user@issuer.example/",
            "https://user:word@issuer.example/",
            "https://issuer.example:/",
            "https://issuer.example:0/",
            "https://issuer.example:65536/",
            "https://issuer.example:+1/",
            "https://issuer.example#@other.example/",
            "https://issuer.example\\@other.example/",
            "https://issuer.example/a b",
            "https://Issuer.example/",
            "https://issuér.example/",
            "https://.example/",
        ] {
            assert!(HttpsUri::parse(uri).is_err(), "{uri}");
        }
    }

    #[test]
    fn it_says_whom_to_ask_for_what() {
        for (uri, host, port, authority, path) in [
            ("https://a.example", "a.example", 443, "a.example", "/"),
            ("https://a.example:443/b?c", "a.example", 443, "a.example", "/b?c"),
            ("https://a.example:8443?c=/d", "a.example", 8443, "a.example:8443", "/?c=/d"),
        ] {
            let read = HttpsUri::parse(uri).unwrap();
            assert_eq!((read.host, read.port, &*read.path), (host, port, path), "{uri}");
            assert_eq!(read.authority(), authority, "{uri}");
        }
    }
}
