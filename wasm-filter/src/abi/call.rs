//! Calls of our own to other services, known by the token that is returned. An HTTP call is answered to the context that
//! called; a gRPC call to the filter, even where a request's context called.

use std::time::Duration;

use sallyport_traffic::host::HostError;

use super::imports;
use super::pairs::serialize;
use super::status::Status;

/// Which call an answer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Token(pub(crate) u32);

/// Sends a request without a body to a cluster of the proxy. `headers` name `:method`, `:path` and `:authority`.
pub(crate) fn http(cluster: &str, headers: &[(&[u8], &[u8])], timeout: Duration) -> Result<Token, HostError> {
    let headers = serialize(headers);
    let trailers = serialize(&[]);
    let mut token = 0;
    // SAFETY: the pointers and sizes are those of slices, which the proxy only reads, but the last, which is to a
    // variable of our own, that nothing else refers to.
    let status = unsafe {
        imports::proxy_http_call(
            cluster.as_ptr(),
            cluster.len(),
            headers.as_ptr(),
            headers.len(),
            [].as_ptr(),
            0,
            trailers.as_ptr(),
            trailers.len(),
            milliseconds(timeout),
            &raw mut token,
        )
    };
    Status(status).of("call a service").map(|()| Token(token))
}

/// Calls a method of a gRPC service. `service` is a serialized envoy.config.core.v3.GrpcService, or the name of a
/// cluster.
pub(crate) fn grpc(
    service: &[u8],
    service_name: &str,
    method: &str,
    message: &[u8],
    timeout: Duration,
) -> Result<Token, HostError> {
    let metadata = serialize(&[]);
    let mut token = 0;
    // SAFETY: the pointers and sizes are those of slices, which the proxy only reads, but the last, which is to a
    // variable of our own, that nothing else refers to.
    let status = unsafe {
        imports::proxy_grpc_call(
            service.as_ptr(),
            service.len(),
            service_name.as_ptr(),
            service_name.len(),
            method.as_ptr(),
            method.len(),
            metadata.as_ptr(),
            metadata.len(),
            message.as_ptr(),
            message.len(),
            milliseconds(timeout),
            &raw mut token,
        )
    };
    Status(status).of("call a gRPC service").map(|()| Token(token))
}

/// Gives up a gRPC call: its answer will not come.
pub(crate) fn cancel_grpc(token: Token) -> Result<(), HostError> {
    Status(imports::proxy_grpc_cancel(token.0)).of("give up a gRPC call")
}

fn milliseconds(duration: Duration) -> u32 {
    duration.as_millis().try_into().unwrap_or(u32::MAX)
}
