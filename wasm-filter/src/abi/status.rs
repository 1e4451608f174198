//! What a host call returns.

use sallyport_traffic::host::HostError;

/// A status of the proxy-wasm ABI. A number, since a proxy may know more than we do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Status(pub(super) u32);

impl Status {
    pub(super) const OK: Self = Self(0);
    pub(super) const NOT_FOUND: Self = Self(1);
    pub(super) const CAS_MISMATCH: Self = Self(8);

    /// Nothing, if the call did what it should.
    pub(super) const fn of(self, call: &'static str) -> Result<(), HostError> {
        if self.0 == Self::OK.0 { Ok(()) } else { Err(self.error(call)) }
    }

    /// Whether there was something; an error, if the call failed otherwise.
    pub(super) const fn found(self, call: &'static str) -> Result<bool, HostError> {
        if self.0 == Self::NOT_FOUND.0 {
            return Ok(false);
        }
        match self.of(call) {
            Ok(()) => Ok(true),
            Err(error) => Err(error),
        }
    }

    pub(super) const fn error(self, call: &'static str) -> HostError {
        HostError { call, status: self.0 }
    }
}
