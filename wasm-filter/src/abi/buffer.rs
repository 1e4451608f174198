//! Bodies and configurations.

use sallyport_traffic::host::HostError;

use super::imports;
use super::memory::Returned;
use super::status::Status;

/// Which buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Buffer {
    /// The body of the answer to an HTTP call of our own.
    CallBody = 4,
    /// The message that answers a gRPC call of our own.
    GrpcMessage = 5,
    /// The plugin's configuration.
    Configuration = 7,
}

/// The first bytes of a buffer, at most so many.
pub(crate) fn start(buffer: Buffer, most: usize) -> Result<Vec<u8>, HostError> {
    let mut returned = Returned::nothing();
    // SAFETY: both pointers are to fields of our own, that nothing else refers to.
    let status = unsafe {
        imports::proxy_get_buffer_bytes(
            buffer as u32,
            0,
            most,
            &raw mut returned.data,
            &raw mut returned.size,
        )
    };
    if !Status(status).found("read a buffer")? {
        return Ok(Vec::new());
    }
    // SAFETY: the call that filled it in went well.
    Ok(unsafe { returned.take() })
}
