//! What the proxy calls.

use std::arch::wasm32::unreachable;
use std::sync::OnceLock;

use crate::call::Call;
use crate::host;
use crate::plan::Plan;

/// What this filter does, and the counter that it counts with.
static CONFIGURED: OnceLock<(Plan, u32)> = OnceLock::new();

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
extern "C" fn proxy_on_context_create(_context: u32, _parent: u32) {}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_configure(_context: u32, size: usize) -> bool {
    let configured = match configure(size) {
        Ok(configured) => configured,
        Err(error) => {
            host::error(&error);
            return false;
        }
    };
    CONFIGURED.set(configured).is_ok()
}

fn configure(size: usize) -> Result<(Plan, u32), String> {
    let bytes = host::configuration(size).ok_or("there is no configuration")?;
    let text = String::from_utf8(bytes).map_err(|error| error.to_string())?;
    let plan = Plan::read(&text).map_err(|line| format!("the bare filter can't do this: {line}"))?;
    let counter = host::define_counter("bare_filter_calls").ok_or("there are no metrics")?;
    let is_prepared = plan.request.iter().chain(&plan.response).all(Call::prepare);
    is_prepared.then_some((plan, counter)).ok_or_else(|| "there is no shared data".to_owned())
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_headers(_context: u32, _count: usize, _ends: bool) -> u32 {
    make(|plan| &plan.request)
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_headers(_context: u32, _count: usize, _ends: bool) -> u32 {
    make(|plan| &plan.response)
}

/// A filter that keeps something of a request forgets it here.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_delete(_context: u32) {}

/// Makes the calls; the stream goes on.
fn make(calls: impl Fn(&Plan) -> &[Call]) -> u32 {
    const CONTINUE: u32 = 0;
    let Some((plan, counter)) = CONFIGURED.get() else { unreachable() };
    for call in calls(plan) {
        if !call.make(*counter) {
            unreachable();
        }
    }
    CONTINUE
}
