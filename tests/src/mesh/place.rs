//! What a proxy has of this machine for itself.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::{Context as _, Result};

/// An address of the loopback network, and ports that nobody else listens on.
///
/// An agent can't be told to take any free port, and so nobody could be told which one it has. These are its own as long
/// as the first of them is listened on here.
pub(super) struct Place {
    base: u16,
    _claim: TcpListener,
}

/// Below the ports that the kernel gives to whoever asks for any (ip(7), `ip_local_port_range`).
const PORTS: std::ops::Range<u16> = 16384..32768;
const EACH: u16 = 8;

impl Place {
    /// Takes one that is free.
    pub(super) fn claim() -> Result<Self> {
        let places = (PORTS.end - PORTS.start) / EACH;
        let somewhere = RandomState::new().build_hasher().finish() % u64::from(places);
        let somewhere = u16::try_from(somewhere)?;
        let mut bases = (0..places).map(|n| PORTS.start + (somewhere + n) % places * EACH);
        bases.find_map(Self::at).context("no ports are free")
    }

    fn at(base: u16) -> Option<Self> {
        let claim = TcpListener::bind((Ipv4Addr::LOCALHOST, base)).ok()?;
        // Who died a moment ago may still listen, and so may somebody who claims nothing.
        for port in base + 1..base + EACH {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).ok()?;
        }
        Some(Self { base, _claim: claim })
    }

    /// The pod's address.
    pub(super) fn ip(&self) -> Ipv4Addr {
        let [high, low] = self.base.to_be_bytes();
        Ipv4Addr::new(127, 1, high, low)
    }

    /// Where the pod takes requests.
    pub(super) fn requests(&self) -> SocketAddr {
        (self.ip(), self.base + 1).into()
    }

    /// Envoy's admin interface.
    pub(super) fn admin(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.base + 2).into()
    }

    /// The agent's own pages.
    pub(super) fn agent(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.base + 3).into()
    }

    /// The two listeners that Envoy has of itself: for probes, and for its metrics.
    pub(super) fn probes_and_metrics(&self) -> [u16; 2] {
        [self.base + 4, self.base + 5]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_have_the_same() -> Result<()> {
        let (one, other) = (Place::claim()?, Place::claim()?);
        assert_ne!(one.ip(), other.ip());
        assert!(Place::at(one.base).is_none());
        let base = one.base;
        drop(one);
        assert!(Place::at(base).is_some());
        Ok(())
    }
}
