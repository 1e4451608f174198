//! Networks: `cidr("10.0.0.0/8")`.

use std::fmt;
use std::net::IpAddr;

use cel::common::types::{CelBool, CelInt, CelString, Type};
use cel::{DeclarationError, Env, ExecutionError, add_member_overload, add_overload};

use super::super::library::{Cost, Function};
use super::ip::{self, Ip};
use super::network_address::{masked, network};
use super::{error, opaque};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("cidr", Some(Cost::Size(1)), &["(string) cidr"]),
    Function::new("containsCIDR", Some(Cost::Rest), &["cidr.(string) bool", "cidr.(cidr) bool"]),
    Function::new("containsIP", Some(Cost::Rest), &["cidr.(string) bool", "cidr.(ip) bool"]),
    Function::new("ip", None, &["cidr.() ip"]),
    Function::new("isCIDR", Some(Cost::Size(1)), &["(string) bool"]),
    Function::new("masked", None, &["cidr.() cidr"]),
    Function::new("prefixLength", None, &["cidr.() int"]),
    Function::counting("string", &["(cidr) string"]),
];

pub(super) fn declare(env: &mut Env) -> Result<(), DeclarationError> {
    env.add_type(Type::new_unspecified_type("net.CIDR"))?;
    add_overload!(env, fn cidr: (CelString<'_>) -> Result<Cidr>)?;
    add_overload!(env, fn is_cidr: (CelString<'_>) -> CelBool, name = "isCIDR")?;
    add_member_overload!(env, fn contains_ip: (Cidr, Ip) -> CelBool, name = "containsIP")?;
    add_member_overload!(env, fn contains_ip_text: (Cidr, CelString<'_>) -> Result<CelBool>, name = "containsIP")?;
    add_member_overload!(env, fn contains_cidr: (Cidr, Cidr) -> CelBool, name = "containsCIDR")?;
    add_member_overload!(env, fn contains_cidr_text: (Cidr, CelString<'_>) -> Result<CelBool>, name = "containsCIDR")?;
    add_member_overload!(env, fn address_of: (Cidr) -> Ip, name = "ip")?;
    add_member_overload!(env, fn without_host: (Cidr) -> Cidr, name = "masked")?;
    add_member_overload!(env, fn prefix_length: (Cidr) -> CelInt)
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cidr {
    address: IpAddr,
    bits: u8,
}

opaque!(Cidr, "net.CIDR");

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl Cidr {
    fn contains(&self, ip: IpAddr) -> bool {
        self.address.is_ipv4() == ip.is_ipv4() && masked(ip, self.bits) == masked(self.address, self.bits)
    }
}

fn cidr(text: &CelString<'_>) -> Result<Cidr, ExecutionError> {
    network(text.inner())
        .map(|(address, bits)| Cidr { address, bits })
        .ok_or_else(|| error("cidr", "not a network such as 10.0.0.0/8"))
}

fn is_cidr(text: &CelString<'_>) -> CelBool {
    network(text.inner()).is_some().into()
}

fn contains_ip(cidr: &Cidr, ip: &Ip) -> CelBool {
    cidr.contains(ip.0).into()
}

fn contains_ip_text(cidr: &Cidr, text: &CelString<'_>) -> Result<CelBool, ExecutionError> {
    Ok(cidr.contains(ip::parse(text.inner())?).into())
}

fn contains_cidr(cidr: &Cidr, other: &Cidr) -> CelBool {
    (cidr.bits <= other.bits && cidr.contains(other.address)).into()
}

fn contains_cidr_text(one: &Cidr, text: &CelString<'_>) -> Result<CelBool, ExecutionError> {
    Ok(contains_cidr(one, &cidr(text)?))
}

fn address_of(cidr: &Cidr) -> Ip {
    Ip(cidr.address)
}

fn without_host(cidr: &Cidr) -> Cidr {
    Cidr { address: masked(cidr.address, cidr.bits), bits: cidr.bits }
}

fn prefix_length(cidr: &Cidr) -> CelInt {
    CelInt::from(i64::from(cidr.bits))
}
