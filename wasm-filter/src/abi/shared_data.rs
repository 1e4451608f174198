//! Memory that all workers of the proxy share.

use std::num::NonZeroU32;

use sallyport_traffic::host::{Expect, HostError, Shared, WriteError};

use super::imports;
use super::memory::Returned;
use super::status::Status;

/// A version that Envoy gives to none but the 4,294,967,295th write: with it a value is written only where there is
/// none. 0 would overwrite any.
const ABSENT: u32 = u32::MAX;

pub(crate) fn get(key: &[u8]) -> Result<Option<Shared>, HostError> {
    const CALL: &str = "read shared data";
    let mut returned = Returned::nothing();
    let mut version = 0;
    // SAFETY: the key is a slice, which the proxy only reads; the other pointers are to variables of our own, that
    // nothing else refers to.
    let status = unsafe {
        imports::proxy_get_shared_data(
            key.as_ptr(),
            key.len(),
            &raw mut returned.data,
            &raw mut returned.size,
            &raw mut version,
        )
    };
    if !Status(status).found(CALL)? {
        return Ok(None);
    }
    // SAFETY: the call that filled it in went well.
    let value = unsafe { returned.take() };
    // Envoy counts from 1, and leaves 0 out when it starts over.
    let version = NonZeroU32::new(version).ok_or(Status::OK.error(CALL))?;
    Ok(Some(Shared { value, version }))
}

pub(crate) fn set(key: &[u8], value: &[u8], expect: Expect) -> Result<(), WriteError> {
    let version = match expect {
        Expect::Absent => ABSENT,
        Expect::Version(version) => version.get(),
    };
    // SAFETY: the pointers and sizes are those of slices, which the proxy only reads.
    let status = unsafe {
        imports::proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), version)
    };
    match Status(status) {
        Status::CAS_MISMATCH => Err(WriteError::Changed),
        status => Ok(status.of("write shared data")?),
    }
}
