//! Answers in the application's place.

use sallyport_traffic::host::HostError;

use super::imports;
use super::pairs::serialize;
use super::status::Status;

/// gRPC's status where the answer has none of its own: Envoy derives one from the HTTP status, should the request be a
/// call.
const NO_GRPC_STATUS: i32 = -1;

/// Answers the request. `details` stand in access logs as the response's code details. Envoy sends it when the event is
/// over; until then the stream must stop.
pub(crate) fn send(
    status: u16,
    details: &str,
    headers: &[(&[u8], &[u8])],
    body: &[u8],
    grpc_status: Option<u8>,
) -> Result<(), HostError> {
    let headers = serialize(headers);
    // SAFETY: the pointers and sizes are those of slices, which the proxy only reads.
    let status = unsafe {
        imports::proxy_send_local_response(
            status.into(),
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            headers.as_ptr(),
            headers.len(),
            grpc_status.map_or(NO_GRPC_STATUS, i32::from),
        )
    };
    Status(status).of("answer a request")
}
