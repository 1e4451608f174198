//! Header maps.

use sallyport_traffic::host::HostError;

use super::imports;
use super::memory::Returned;
use super::status::Status;

/// Which header map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Map {
    /// The request's headers.
    RequestHeaders = 0,
    /// The request's trailers.
    RequestTrailers = 1,
    /// The response's headers.
    ResponseHeaders = 2,
    /// The headers of the answer to a call of our own.
    CallHeaders = 6,
}

/// All pairs, serialized, as `HeaderList::from_serialized` reads them; no bytes where there is no such map.
pub(crate) fn pairs(map: Map) -> Result<Vec<u8>, HostError> {
    let mut returned = Returned::nothing();
    // SAFETY: both pointers are to fields of our own, that nothing else refers to.
    let status = unsafe {
        imports::proxy_get_header_map_pairs(map as u32, &raw mut returned.data, &raw mut returned.size)
    };
    if !Status(status).found("read headers")? {
        return Ok(Vec::new());
    }
    // SAFETY: the call that filled it in went well.
    Ok(unsafe { returned.take() })
}

/// Gives a header this value beside those that it has.
pub(crate) fn add(map: Map, name: &[u8], value: &[u8]) -> Result<(), HostError> {
    // SAFETY: the pointers and sizes are those of slices, which the proxy only reads.
    let status = unsafe {
        imports::proxy_add_header_map_value(
            map as u32,
            name.as_ptr(),
            name.len(),
            value.as_ptr(),
            value.len(),
        )
    };
    Status(status).of("add a header")
}

/// Gives a header this value in the place of all that it has.
pub(crate) fn replace(map: Map, name: &[u8], value: &[u8]) -> Result<(), HostError> {
    // SAFETY: the pointers and sizes are those of slices, which the proxy only reads.
    let status = unsafe {
        imports::proxy_replace_header_map_value(
            map as u32,
            name.as_ptr(),
            name.len(),
            value.as_ptr(),
            value.len(),
        )
    };
    Status(status).of("replace a header")
}

/// Removes a header: all its values.
pub(crate) fn remove(map: Map, name: &[u8]) -> Result<(), HostError> {
    // SAFETY: the pointer and size are those of a slice, which the proxy only reads.
    let status = unsafe { imports::proxy_remove_header_map_value(map as u32, name.as_ptr(), name.len()) };
    Status(status).of("remove a header")
}
