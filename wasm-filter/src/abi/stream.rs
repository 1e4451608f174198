//! The course of events.

use std::time::Duration;

use sallyport_traffic::host::HostError;

use super::imports;
use super::status::Status;

/// What becomes of a stream after an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// It goes on.
    Continue = 0,
    /// Nothing of it goes on until it is continued or answered. Its sender is slowed down, not cut off, once the proxy
    /// holds as much of its body as it may (FilterHeadersStatus StopAllIterationAndWatermark).
    Stop = 4,
}

/// Lets the request of the effective context go on.
pub(crate) fn continue_request() -> Result<(), HostError> {
    const REQUEST: u32 = 0;
    Status(imports::proxy_continue_stream(REQUEST)).of("continue a request")
}

/// Makes the following calls about this context.
pub(crate) fn act_for(context: u32) -> Result<(), HostError> {
    Status(imports::proxy_set_effective_context(context)).of("act for another request")
}

/// Sets how often the root context's tick comes; zero: never.
pub(crate) fn tick_every(period: Duration) -> Result<(), HostError> {
    let period = period.as_millis().try_into().unwrap_or(u32::MAX);
    Status(imports::proxy_set_tick_period_milliseconds(period)).of("set the tick's period")
}
