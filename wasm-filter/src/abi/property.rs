//! Attributes of a request, its connection and the proxy.

use sallyport_traffic::host::HostError;

use super::imports;
use super::memory::Returned;
use super::status::Status;

/// The value of an attribute of Envoy's, its path with NULs between the segments: `source\0address`. `None` where there
/// is no such attribute, as for a connection without TLS.
pub(crate) fn get(path: &[u8]) -> Result<Option<Vec<u8>>, HostError> {
    let mut returned = Returned::nothing();
    // SAFETY: the path is a slice, which the proxy only reads; the other pointers are to fields of our own, that nothing
    // else refers to.
    let status = unsafe {
        imports::proxy_get_property(path.as_ptr(), path.len(), &raw mut returned.data, &raw mut returned.size)
    };
    if !Status(status).found("read a property")? {
        return Ok(None);
    }
    // SAFETY: the call that filled it in went well.
    Ok(Some(unsafe { returned.take() }))
}

/// Sets what the request's filter state holds under `wasm.` and this name, for access logs and other filters.
pub(crate) fn set(name: &[u8], value: &[u8]) -> Result<(), HostError> {
    // SAFETY: the pointers and sizes are those of slices, which the proxy only reads.
    let status =
        unsafe { imports::proxy_set_property(name.as_ptr(), name.len(), value.as_ptr(), value.len()) };
    Status(status).of("set a property")
}
