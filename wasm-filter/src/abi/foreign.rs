//! Functions that one proxy has and another has not.

use sallyport_traffic::host::HostError;

use super::imports;
use super::memory::Returned;
use super::status::Status;

/// Calls a function of Envoy's by its name. It fails with NotFound (1) where there is none of that name.
pub(crate) fn call(name: &str, arguments: &[u8]) -> Result<Vec<u8>, HostError> {
    let mut returned = Returned::nothing();
    // SAFETY: the first two are slices, which the proxy only reads; the other pointers are to fields of our own, that
    // nothing else refers to.
    let status = unsafe {
        imports::proxy_call_foreign_function(
            name.as_ptr(),
            name.len(),
            arguments.as_ptr(),
            arguments.len(),
            &raw mut returned.data,
            &raw mut returned.size,
        )
    };
    Status(status).of("call a foreign function")?;
    // SAFETY: the call that filled it in went well.
    Ok(unsafe { returned.take() })
}
