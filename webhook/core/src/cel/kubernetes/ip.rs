//! IP addresses: `ip("10.0.0.1")`.

use std::net::IpAddr;

use cel::common::types::{CelBool, CelInt, CelString, Type};
use cel::{DeclarationError, Env, ExecutionError, add_member_overload, add_overload};

use super::super::library::{Cost, Function};
use super::{error, network_address, opaque};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("family", None, &["ip.() int"]),
    Function::new("ip", Some(Cost::Size(1)), &["(string) ip"]),
    Function::new("ip.isCanonical", Some(Cost::Size(1)), &["(string) bool"]),
    Function::new("isGlobalUnicast", None, &["ip.() bool"]),
    Function::new("isIP", Some(Cost::Size(1)), &["(string) bool"]),
    Function::new("isLinkLocalMulticast", None, &["ip.() bool"]),
    Function::new("isLinkLocalUnicast", None, &["ip.() bool"]),
    Function::new("isLoopback", None, &["ip.() bool"]),
    Function::new("isUnspecified", None, &["ip.() bool"]),
    Function::counting("string", &["(ip) string"]),
];

pub(super) fn declare(env: &mut Env) -> Result<(), DeclarationError> {
    env.add_type(Type::new_unspecified_type("net.IP"))?;
    add_overload!(env, fn ip: (CelString<'_>) -> Result<Ip>)?;
    add_overload!(env, fn is_ip: (CelString<'_>) -> CelBool, name = "isIP")?;
    add_overload!(env, fn is_canonical: (CelString<'_>) -> Result<CelBool>, name = "ip.isCanonical")?;
    add_member_overload!(env, fn family: (Ip) -> CelInt)?;
    add_member_overload!(env, fn is_unspecified: (Ip) -> CelBool)?;
    add_member_overload!(env, fn is_loopback: (Ip) -> CelBool)?;
    add_member_overload!(env, fn is_link_local_multicast: (Ip) -> CelBool)?;
    add_member_overload!(env, fn is_link_local_unicast: (Ip) -> CelBool)?;
    add_member_overload!(env, fn is_global_unicast: (Ip) -> CelBool)
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ip(pub(super) IpAddr);

opaque!(Ip, "net.IP");

pub(super) fn parse(text: &str) -> Result<IpAddr, ExecutionError> {
    network_address::address(text).ok_or_else(|| error("ip", "not an IP address, or one that is not allowed"))
}

fn ip(text: &CelString<'_>) -> Result<Ip, ExecutionError> {
    parse(text.inner()).map(Ip)
}

fn is_ip(text: &CelString<'_>) -> CelBool {
    parse(text.inner()).is_ok().into()
}

fn is_canonical(text: &CelString<'_>) -> Result<CelBool, ExecutionError> {
    Ok((parse(text.inner())?.to_string() == text.inner()).into())
}

fn family(ip: &Ip) -> CelInt {
    CelInt::from(if ip.0.is_ipv4() { 4 } else { 6 })
}

fn is_unspecified(ip: &Ip) -> CelBool {
    ip.0.is_unspecified().into()
}

fn is_loopback(ip: &Ip) -> CelBool {
    ip.0.is_loopback().into()
}

fn link_local_multicast(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.octets().starts_with(&[224, 0, 0]),
        IpAddr::V6(v6) => v6.segments().first().is_some_and(|first| first & 0xff0f == 0xff02),
    }
}

fn link_local_unicast(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

fn is_link_local_multicast(ip: &Ip) -> CelBool {
    link_local_multicast(ip.0).into()
}

fn is_link_local_unicast(ip: &Ip) -> CelBool {
    link_local_unicast(ip.0).into()
}

/// As Go has it: private addresses are global unicast as well.
fn is_global_unicast(ip: &Ip) -> CelBool {
    let is_broadcast = matches!(ip.0, IpAddr::V4(v4) if v4.is_broadcast());
    let is_other =
        ip.0.is_unspecified() || ip.0.is_loopback() || ip.0.is_multicast() || link_local_unicast(ip.0);
    (!is_broadcast && !is_other).into()
}
