//! What measurements share, whatever is measured: the webhook is by `bin/webhook`.

pub mod figures;
pub mod http1;
pub mod latencies;
pub mod usage;
