//! What the proxy calls. Of the events of the ABI that are not here, the proxy sees that we do not want them.

use crate::abi::answer;
use crate::abi::call::Token;
use crate::abi::stream::Flow;
use crate::contexts;

// SAFETY of every `no_mangle` here: the names are those that the ABI gives to these functions, and nothing else in this
// module has them.

unsafe extern "C" {
    /// Runs the constructors of what is linked in, as libc's.
    safe fn __wasm_call_ctors();
}

/// Before all else.
#[unsafe(no_mangle)]
extern "C" fn _initialize() {
    __wasm_call_ctors();
}

/// Says which ABI this is.
#[unsafe(no_mangle)]
extern "C" fn proxy_abi_version_0_2_1() {}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_context_create(context: u32, parent: u32) {
    contexts::create(context, parent);
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_configure(context: u32, size: usize) -> bool {
    contexts::filter(context).is_some_and(|filter| filter.configure(size))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_headers(context: u32, _count: usize, ends: bool) -> u32 {
    let flow = match contexts::stream(context) {
        Some(stream) => stream.request_headers(!ends),
        None => refuse(),
    };
    flow as u32
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_trailers(context: u32, _count: usize) -> u32 {
    let flow = match contexts::stream(context) {
        Some(stream) => stream.request_trailers(),
        None => refuse(),
    };
    flow as u32
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_headers(context: u32, _count: usize, _ends: bool) -> u32 {
    if let Some(stream) = contexts::stream(context) {
        stream.response_headers();
    }
    Flow::Continue as u32
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_tick(context: u32) {
    if let Some(filter) = contexts::filter(context) {
        filter.tick();
    }
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_http_call_response(
    context: u32,
    token: u32,
    headers: usize,
    body: usize,
    _trailers: usize,
) {
    if let Some(filter) = contexts::filter(context) {
        filter.http_call_response(Token(token), headers, body);
    }
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_grpc_receive(context: u32, token: u32, size: usize) {
    if let Some(filter) = contexts::filter(context) {
        filter.grpc_call_answer(Token(token), Ok(size));
    }
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_grpc_close(context: u32, token: u32, status: u32) {
    if let Some(filter) = contexts::filter(context) {
        filter.grpc_call_answer(Token(token), Err(status));
    }
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_delete(context: u32) {
    if let Some(stream) = contexts::stream(context) {
        stream.delete();
    }
    contexts::delete(context);
}

/// Nothing is known of the request, not even what its policy says of failures: it does not pass.
fn refuse() -> Flow {
    // Should this fail too, the request hangs until the proxy gives it up; still it does not pass.
    let _ = answer::send(503, "sallyport_no_context", &[], b"", None);
    Flow::Stop
}
