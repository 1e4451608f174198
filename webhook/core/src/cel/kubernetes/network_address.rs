//! Addresses as Go's net/netip reads them; zones and IPv4 within IPv6 are refused, as Kubernetes has it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Reads an address. Rust's own rules are Go's: no leading zeros, no zone.
pub(super) fn address(text: &str) -> Option<IpAddr> {
    let address: IpAddr = text.parse().ok()?;
    match address {
        IpAddr::V6(v6) if is_v4_mapped(v6) => None,
        other => Some(other),
    }
}

fn is_v4_mapped(v6: Ipv6Addr) -> bool {
    v6.to_ipv4_mapped().is_some()
}

/// Reads a network, whose address may have bits beyond the mask.
pub(super) fn network(text: &str) -> Option<(IpAddr, u8)> {
    let (address_text, bits) = text.rsplit_once('/')?;
    let address = address(address_text)?;
    let is_plain = !bits.is_empty()
        && bits.bytes().all(|byte| byte.is_ascii_digit())
        && (bits.len() == 1 || !bits.starts_with('0'));
    let bits: u8 = bits.parse().ok().filter(|bits| is_plain && *bits <= width(address))?;
    Some((address, bits))
}

/// The bits of an address.
pub(super) fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The address with the bits beyond the mask cleared.
pub(super) fn masked(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & mask))
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask))
        }
    }
}
