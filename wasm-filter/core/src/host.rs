//! What a proxy gives to a decision: time, and memory that all its workers share.
//!
//! These are arguments, so the core stays pure: in Envoy the adapter answers from host calls, in tests a model does,
//! which can also fail and interleave as Envoy never would on demand.

#[cfg(test)]
pub(crate) mod model;

use std::num::NonZeroU32;

use thiserror::Error;

/// A point of a clock that never goes back, in nanoseconds since some start that all workers of a proxy share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Monotonic(pub u64);

/// A point of the wall clock, in nanoseconds since 1970-01-01T00:00:00Z without leap seconds. For tokens only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WallClock(pub u64);

impl WallClock {
    /// Whole seconds since 1970-01-01T00:00:00Z: a NumericDate (RFC 7519 §2).
    #[must_use]
    pub const fn seconds(self) -> u64 {
        self.0 / 1_000_000_000
    }
}

/// The proxy did not do what it was asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the proxy failed to {call}: status {status}")]
pub struct HostError {
    /// What it was asked for, in words: "read shared data".
    pub call: &'static str,
    /// The status of the proxy-wasm ABI.
    pub status: u32,
}

/// Which version of a shared value a writer has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// None: the value must not be there yet.
    Absent,
    /// This one.
    Version(NonZeroU32),
}

/// A shared value and its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
    /// The value.
    pub value: Vec<u8>,
    /// Its version, which every write changes.
    pub version: NonZeroU32,
}

/// Why a shared value was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WriteError {
    /// Another worker wrote first.
    #[error("another worker wrote first")]
    Changed,
    /// The proxy failed.
    #[error(transparent)]
    Host(#[from] HostError),
}

/// Memory that all workers of a proxy share. Values are never deleted.
pub trait SharedData {
    /// The value of a key, if there is one.
    ///
    /// # Errors
    /// The proxy failed.
    fn read(&self, key: &[u8]) -> Result<Option<Shared>, HostError>;

    /// Writes the value of a key, unless another worker wrote it after the version that is expected.
    ///
    /// # Errors
    /// Another worker wrote first, or the proxy failed.
    fn write(&self, key: &[u8], value: &[u8], expect: Expect) -> Result<(), WriteError>;
}

/// The proxy's clocks.
pub trait Clock {
    /// The time by the clock that never goes back, read anew by each call: not before any that another worker has written.
    fn monotonic(&self) -> Monotonic;

    /// The time by the wall clock.
    fn wall(&self) -> WallClock;
}

/// What a proxy knows of a request's connection.
pub trait Connection {
    /// Envoy's `source.address`: the address of whoever connected, with its port.
    fn source_address(&self) -> Option<Vec<u8>>;

    /// The identity in the client's certificate of mutual TLS: the first URI of its subject alternative names, as
    /// `spiffe://cluster.local/ns/shop/sa/cart`.
    fn peer(&self) -> Option<Vec<u8>>;
}

/// The proxy's own check of signatures.
pub trait Signatures {
    /// Calls Envoy's foreign function `verify_signature` with a protobuf message, and gives the one that it answers.
    ///
    /// # Errors
    /// The proxy has no such function, or refuses the message.
    fn verify_signature(&self, arguments: &[u8]) -> Result<Vec<u8>, HostError>;
}

/// Where unpredictable bytes come from.
pub trait Random {
    /// Fills the bytes.
    fn fill(&self, bytes: &mut [u8]);
}

/// Everything that a proxy gives to a decision.
pub trait Host: Clock + Connection + Random + SharedData + Signatures {}

impl<T: Clock + Connection + Random + SharedData + Signatures> Host for T {}
