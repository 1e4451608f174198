//! What keeps the second gate standing: nobody takes away a TrafficPolicy that workloads need, and nobody but Sallyport
//! changes what attaches the filter to proxies.

mod attachment;
mod selection;

pub use attachment::{CONTROL_PLANE, is_attachment, meddling};
pub use selection::{NAMESPACE_CONTROLLER, ended_selections};
