//! A host and a port.

use std::fmt::{self, Display, Formatter};
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use thiserror::Error;

/// A host, by its name or IP address, and a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// The host: a name, or an IP address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// A text is no host and port.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InvalidEndpoint {
    /// There is no port.
    #[error("{0:?} has no port: write HOST:PORT")]
    NoPort(String),
    /// The port is not from 1 to 65535.
    #[error("{0:?} is no port: it must be from 1 to 65535")]
    Port(String),
    /// The host is neither a name nor an address.
    #[error("{0:?} is neither a host's name nor an IP address; IPv6 addresses stand in brackets")]
    Host(String),
}

impl Endpoint {
    /// The host of that name or address, at that port.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port }
    }

    /// Whether the host is given by its address, so that nobody has to look it up.
    #[must_use]
    pub fn is_address(&self) -> bool {
        self.host.parse::<IpAddr>().is_ok()
    }
}

impl FromStr for Endpoint {
    type Err = InvalidEndpoint;

    fn from_str(text: &str) -> Result<Self, InvalidEndpoint> {
        let (host, port) = text.rsplit_once(':').ok_or_else(|| InvalidEndpoint::NoPort(text.to_owned()))?;
        let digits = port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port
            .parse()
            .ok()
            .filter(|port| digits && *port > 0)
            .ok_or_else(|| InvalidEndpoint::Port(port.to_owned()))?;
        let invalid = || InvalidEndpoint::Host(host.to_owned());
        if let Some(address) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            address.parse::<Ipv6Addr>().map_err(|_| invalid())?;
            return Ok(Self::new(address, port));
        }
        let is_name =
            !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
        if is_name { Ok(Self::new(host, port)) } else { Err(invalid()) }
    }
}

impl Display for Endpoint {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_and_a_port_are_read_as_they_are_written() {
        for (text, host) in [
            ("127.0.0.1:80", "127.0.0.1"),
            ("[::1]:8080", "::1"),
            ("api.shop.svc.cluster.local:443", "api.shop.svc.cluster.local"),
        ] {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!(endpoint.host, host);
            assert_eq!(endpoint.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_host_and_port_is_refused() {
        for text in [
            "",
            "host",
            "host:",
            "host:0",
            "host:65536",
            "host:+1",
            ":80",
            "::1:80",
            "[::g]:80",
            "a b:1",
            "a/b:1",
        ] {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
    }
}
