//! The messages of envoy.service.ratelimit.v3, as prost reads and writes them.

use prost::Message;
use sallyport_traffic::limit::rls::Answer;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct RateLimitRequest {
    #[prost(string, tag = "1")]
    pub(crate) domain: String,
    #[prost(message, repeated, tag = "2")]
    pub(crate) descriptors: Vec<RateLimitDescriptor>,
    #[prost(uint32, tag = "3")]
    pub(crate) hits_addend: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct RateLimitDescriptor {
    #[prost(message, repeated, tag = "1")]
    pub(crate) entries: Vec<Entry>,
    #[prost(message, optional, tag = "2")]
    pub(crate) limit: Option<Limit>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Entry {
    #[prost(string, tag = "1")]
    pub(crate) key: String,
    #[prost(string, tag = "2")]
    pub(crate) value: String,
}

/// RateLimitDescriptor.RateLimitOverride, and RateLimitResponse.RateLimit.
#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct Limit {
    #[prost(uint32, tag = "1")]
    pub(crate) requests_per_unit: u32,
    #[prost(int32, tag = "2")]
    pub(crate) unit: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct RateLimitResponse {
    #[prost(int32, tag = "1")]
    pub(crate) overall_code: i32,
    #[prost(message, repeated, tag = "2")]
    pub(crate) statuses: Vec<DescriptorStatus>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct DescriptorStatus {
    #[prost(int32, tag = "1")]
    pub(crate) code: i32,
    #[prost(message, optional, tag = "2")]
    pub(crate) current_limit: Option<Limit>,
    #[prost(uint32, tag = "3")]
    pub(crate) limit_remaining: u32,
    #[prost(message, optional, tag = "4")]
    pub(crate) duration_until_reset: Option<Duration>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct Duration {
    #[prost(int64, tag = "1")]
    pub(crate) seconds: i64,
    #[prost(int32, tag = "2")]
    pub(crate) nanos: i32,
}

/// The limit that requests are made for: 100 a minute.
pub(crate) const LIMIT: Limit = Limit { requests_per_unit: 100, unit: 2 };

impl RateLimitResponse {
    /// What it means for a request with one descriptor, of [`LIMIT`].
    pub(crate) fn answer(&self) -> Answer {
        let [status] = self.statuses.as_slice() else { return Answer::NotCounted };
        if status.current_limit != Some(LIMIT) {
            return Answer::NotCounted;
        }
        let reset = status.duration_until_reset.unwrap_or_default();
        let valid =
            (0..=315_576_000_000).contains(&reset.seconds) && (0..1_000_000_000).contains(&reset.nanos);
        let reset = if valid {
            std::time::Duration::new(reset.seconds as u64, reset.nanos as u32)
        } else {
            std::time::Duration::ZERO
        };
        match self.overall_code {
            1 => Answer::Granted { remaining: status.limit_remaining, reset },
            2 => Answer::Refused { reset },
            _ => Answer::NotCounted,
        }
    }
}
