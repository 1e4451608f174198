//! Envoy, as what gives a decision time and memory.

use sallyport_traffic::host::{
    Clock, Expect, HostError, Monotonic, Shared, SharedData, WallClock, WriteError,
};

use crate::abi::{clock, shared_data};

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
