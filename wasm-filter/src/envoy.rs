//! Envoy, as what gives a decision time, memory and what it knows of connections.

use sallyport_traffic::host::{
    Clock, Connection, Expect, HostError, Monotonic, Random, Shared, SharedData, Signatures, WallClock,
    WriteError,
};

use crate::abi::{clock, foreign, property, shared_data};

/// The proxy that this filter runs in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Envoy;

impl Clock for Envoy {
    fn monotonic(&self) -> Monotonic {
        Monotonic(clock::monotonic())
    }

    fn wall(&self) -> WallClock {
        WallClock(clock::wall())
    }
}

impl SharedData for Envoy {
    fn read(&self, key: &[u8]) -> Result<Option<Shared>, HostError> {
        shared_data::get(key)
    }

    fn write(&self, key: &[u8], value: &[u8], expect: Expect) -> Result<(), WriteError> {
        shared_data::set(key, value, expect)
    }
}

impl Connection for Envoy {
    fn source_address(&self) -> Option<Vec<u8>> {
        property::get(b"source\0address").ok().flatten()
    }

    fn peer(&self) -> Option<Vec<u8>> {
        property::get(b"connection\0uri_san_peer_certificate").ok().flatten()
    }
}

impl Signatures for Envoy {
    fn verify_signature(&self, arguments: &[u8]) -> Result<Vec<u8>, HostError> {
        foreign::call("verify_signature", arguments)
    }
}

impl Random for Envoy {
    fn fill(&self, bytes: &mut [u8]) {
        if !clock::random(bytes) {
            // Envoy has always more. Should it not, what is made of these bytes is unique still, though not secret.
            for (byte, time) in bytes.iter_mut().zip(clock::monotonic().to_le_bytes().into_iter().cycle()) {
                *byte = time;
            }
        }
    }
}
