//! What stands around the policies.

use std::collections::BTreeMap;

use crate::Endpoint;

/// What stands around the policies in a configuration of Envoy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Where Envoy listens: an IP address and a port.
    pub listen: Endpoint,
    /// The application. HTTP/2 requests reach it by HTTP/2, others by HTTP/1.1.
    pub upstream: Endpoint,
    /// The filter's module: a file on Envoy's machine.
    pub module: String,
    /// The SHA-256 digest of the module, in hexadecimal digits.
    pub module_sha256: String,
    /// A file on Envoy's machine with the authorities, in PEM, that the hosts of keys are trusted for.
    pub ca_file: String,
    /// Addresses that stand for hosts: whoever is to be reached there is not looked up. What is expected of its
    /// certificate stays the same.
    pub connect_to: BTreeMap<Endpoint, Endpoint>,
    /// Where Envoy's admin interface listens, which everybody who reaches it can end Envoy by. `None`: nowhere.
    pub admin: Option<Endpoint>,
    /// The file that requests are logged into, a line of JSON each.
    pub access_log: String,
}
