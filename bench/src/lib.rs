//! What both measurements share: the webhook's (`bin/webhook`) and the filter's (`bin/filter`).

pub mod figures;
pub mod http1;
pub mod latencies;
pub mod usage;
