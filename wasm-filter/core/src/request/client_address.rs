//! Where a request comes from.

use core::net::{IpAddr, SocketAddr};

use super::HeaderList;

/// A client's IP address. An IPv4 address that is written as IPv6 (RFC 4291 §2.5.5.2) is that IPv4 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientAddress(IpAddr);

/// The address in Envoy's `source.address`: `10.0.0.1:5678`, `[2001:db8::1]:80`, or without a port. `None` where it is
/// no IP address, as that of a Unix socket, and where it is not the connection's: an Envoy that does not use the remote
/// address, such as a sidecar, gives the last of X-Forwarded-For for it, which whoever connects may have made up. That
/// has port 0, from which nobody connects.
#[must_use]
pub fn source_address(property: &[u8]) -> Option<ClientAddress> {
    address(property).filter(|(_, port)| *port != Some(0)).map(|(address, _)| address)
}

/// An IP address, and the port, if there is one.
fn address(text: &[u8]) -> Option<(ClientAddress, Option<u16>)> {
    let text = std::str::from_utf8(text).ok()?;
    let (ip, port) = match text.parse::<SocketAddr>() {
        Ok(socket) => (socket.ip(), Some(socket.port())),
        Err(_) => (text.parse().ok()?, None),
    };
    Some((ClientAddress(ip.to_canonical()), port))
}

impl ClientAddress {
    /// The client behind `trusted_hops` proxies, which have each appended the address of their client to
    /// X-Forwarded-For: of all its values in all lines, so many from the right. Everything left of that, the client may
    /// have made up. With 0, and where the header holds fewer values or no address there, it is the connection's source.
    /// The proxy itself counts as one where it appends before the filter.
    #[must_use]
    pub fn of(headers: &HeaderList<'_>, source: Option<Self>, trusted_hops: u8) -> Option<Self> {
        let Some(from_right) = usize::from(trusted_hops).checked_sub(1) else { return source };
        let mut values: Vec<&[u8]> = Vec::new();
        for line in headers.values(b"x-forwarded-for") {
            values.extend(line.split(|byte| *byte == b','));
        }
        values
            .iter()
            .rev()
            .nth(from_right)
            .and_then(|value| address(value.trim_ascii()))
            .map(|(address, _)| address)
            .or(source)
    }

    /// The leading bits of the address as bytes that differ for different networks, and for IPv4 and IPv6. A prefix
    /// that is longer than an address is all of it.
    #[must_use]
    pub fn network(self, ipv4_prefix: u8, ipv6_prefix: u8) -> Vec<u8> {
        match self.0 {
            IpAddr::V4(address) => {
                let kept = u32::MAX.checked_shl(32_u32.saturating_sub(ipv4_prefix.into())).unwrap_or(0);
                (u32::from(address) & kept).to_be_bytes().to_vec()
            }
            IpAddr::V6(address) => {
                let kept = u128::MAX.checked_shl(128_u32.saturating_sub(ipv6_prefix.into())).unwrap_or(0);
                (u128::from(address) & kept).to_be_bytes().to_vec()
            }
        }
    }

    /// The address.
    #[must_use]
    pub const fn ip(self) -> IpAddr {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ip(text: &str) -> ClientAddress {
        ClientAddress(text.parse().unwrap())
    }

    #[test]
    fn the_source_address_is_read_as_envoy_writes_it() {
        for (property, wanted) in [
            ("1.2.3.4:5678", Some("1.2.3.4")),
            ("[::1]:80", Some("::1")),
            ("[2001:db8::1]:0", None),
            ("1.2.3.4:0", None),
            ("1.2.3.4", Some("1.2.3.4")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("[::ffff:1.2.3.4]:80", Some("1.2.3.4")),
            ("::ffff:102:304", Some("1.2.3.4")),
            ("", None),
            ("/run/envoy.sock", None),
            ("1.2.3.4:", None),
            ("01.2.3.4", None),
            ("1.2.3", None),
            ("[::1]", None),
        ] {
            assert_eq!(source_address(property.as_bytes()), wanted.map(ip), "{property}");
        }
        assert_eq!(source_address(b"\xff"), None);
    }

    #[test]
    fn as_many_proxies_are_believed_as_are_trusted() {
        let source = Some(ip("10.0.0.1"));
        for (lines, hops, wanted) in [
            (&["1.1.1.1"][..], 0, "10.0.0.1"),
            (&[], 1, "10.0.0.1"),
            (&["1.1.1.1"], 1, "1.1.1.1"),
            (&["6.6.6.6, 1.1.1.1"], 1, "1.1.1.1"),
            (&["6.6.6.6, 1.1.1.1 ,2.2.2.2"], 2, "1.1.1.1"),
            (&["6.6.6.6", "1.1.1.1,2.2.2.2"], 2, "1.1.1.1"),
            (&["1.1.1.1", "2.2.2.2"], 2, "1.1.1.1"),
            (&["1.1.1.1"], 2, "10.0.0.1"),
            (&["6.6.6.6, unknown"], 1, "10.0.0.1"),
            (&["6.6.6.6,"], 1, "10.0.0.1"),
            (&["6.6.6.6,,2.2.2.2"], 2, "10.0.0.1"),
            (&["2001:db8::7"], 1, "2001:db8::7"),
            (&["[2001:db8::7]:99"], 1, "2001:db8::7"),
            (&["1.1.1.1:99"], 1, "1.1.1.1"),
            (&["1.1.1.1:0"], 1, "1.1.1.1"),
        ] {
            let headers =
                HeaderList::from_pairs(lines.iter().map(|line| (&b"X-Forwarded-For"[..], line.as_bytes())));
            assert_eq!(ClientAddress::of(&headers, source, hops), Some(ip(wanted)), "{lines:?} {hops}");
        }
    }

    #[test]
    fn addresses_of_one_network_are_the_same_bytes() {
        for (one, other, v4, v6, same) in [
            ("1.2.3.4", "1.2.3.5", 32, 64, false),
            ("1.2.3.4", "1.2.3.5", 24, 64, true),
            ("1.2.3.4", "9.9.9.9", 0, 64, true),
            ("2001:db8::1", "2001:db8::2", 32, 64, true),
            ("2001:db8::1", "2001:db8::2", 32, 128, false),
            ("2001:db8::1", "2001:db8::2", 32, 200, false),
            ("2001:db8::1", "2001:db8:0:1::1", 32, 64, false),
            ("0.0.0.0", "::", 0, 0, false),
        ] {
            let network = |text| ip(text).network(v4, v6);
            assert_eq!(network(one) == network(other), same, "{one} {other} /{v4} /{v6}");
        }
    }

    proptest! {
        #[test]
        fn a_forwarded_value_left_of_the_trusted_ones_changes_nothing(
            forged in "[ -~]{0,20}", trusted in proptest::collection::vec(any::<[u8; 4]>(), 1..4),
        ) {
            let tail: Vec<_> = trusted.iter().map(|octets| IpAddr::from(*octets).to_string()).collect();
            let tail = tail.join(", ");
            let of = |lines: &[&str]| {
                let lines = lines.iter().map(|line| (&b"x-forwarded-for"[..], line.as_bytes()));
                ClientAddress::of(&HeaderList::from_pairs(lines), None, trusted.len() as u8)
            };
            let wanted = Some(ClientAddress(trusted[0].into()));
            prop_assert_eq!(of(&[&tail]), wanted);
            prop_assert_eq!(of(&[&forged, &tail]), wanted);
            prop_assert_eq!(of(&[&format!("{forged},{tail}")]), wanted);
        }
    }
}
