//! What a client is told of its limits: the header fields RateLimit-Policy and RateLimit of
//! draft-ietf-httpapi-ratelimit-headers-11, written as Structured Fields (RFC 9651), the older X-RateLimit trio, and
//! Retry-After (RFC 9110 §10.2.3).
//!
//! RateLimit-Policy lists every limit that the request falls under. RateLimit, the trio and Retry-After speak of one:
//! the limit that refuses, and of an admitted request the one that is closest to being exhausted (appendix B.1.2). So
//! Retry-After never names a time before the end of the effective window that stands beside it (§6). No partition key
//! (§3.1.4) is sent: it would tell what a limit counts apart.

use std::time::Duration;

use super::gcra::{Gcra, Standing};
use crate::Limit;

/// A limit as RateLimit-Policy tells of it (§3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaPolicy {
    name: String,
    quota: u32,
    window: u64,
}

impl QuotaPolicy {
    /// The limit with this name. A window is a whole number of seconds, not 0 (§3.1.3): a period that is not is rounded
    /// up, which promises less.
    #[must_use]
    pub fn new(name: &str, limit: &Limit) -> Self {
        Self { name: string(name), quota: limit.requests, window: seconds(limit.period.into()).max(1) }
    }
}

/// What is left of a limit, as RateLimit tells of it (§4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceLimit {
    /// How many requests are left.
    pub remaining: u32,
    /// The time within which the client can use no more than these.
    pub window: Duration,
    /// How long until all of the limit is there again.
    pub reset: Duration,
}

impl ServiceLimit {
    /// What a limit that this proxy counts tells.
    ///
    /// The effective window is the time in which the remaining requests come back, and with none remaining the time
    /// until one is admitted. So a client that keeps to it uses no more than the limit's rate, and the ratio of both
    /// numbers never exceeds that of the policy (§8.5).
    #[must_use]
    pub fn local(gcra: &Gcra, standing: &Standing) -> Self {
        let pace = gcra.interval().saturating_mul(standing.remaining);
        Self { remaining: standing.remaining, window: pace.max(standing.wait), reset: standing.reset }
    }

    /// What a limit with fixed windows tells, such as a service counts.
    #[must_use]
    pub const fn fixed(remaining: u32, reset: Duration) -> Self {
        Self { remaining, window: reset, reset }
    }
}

/// Which of the limits that a request falls under is closest to being exhausted: has fewest requests left, and of
/// those the longest window.
#[must_use]
pub fn closest(limits: &[ServiceLimit]) -> Option<usize> {
    let key = |limit: &ServiceLimit| (limit.remaining, std::cmp::Reverse(limit.window));
    limits.iter().enumerate().min_by_key(|(_, limit)| key(limit)).map(|(at, _)| at)
}

/// The value of RateLimit-Policy (§3). `None`: there is nothing to tell, and an empty list is no field (RFC 9651 §3.1).
#[must_use]
pub fn rate_limit_policy<'a>(policies: impl IntoIterator<Item = &'a QuotaPolicy>) -> Option<String> {
    let mut value = String::new();
    for policy in policies {
        if !value.is_empty() {
            value.push_str(", ");
        }
        value.push_str(&policy.name);
        parameter(&mut value, ";q=", policy.quota.into());
        parameter(&mut value, ";w=", policy.window);
    }
    (!value.is_empty()).then_some(value)
}

/// Whether a field of these is a list (§3, §4), to which whoever else limits the request adds what it has to tell: the
/// application, or another policy.
#[must_use]
pub fn is_list(name: &[u8]) -> bool {
    [&b"ratelimit"[..], b"ratelimit-policy"].iter().any(|list| name.eq_ignore_ascii_case(list))
}

/// The value of RateLimit (§4).
#[must_use]
pub fn rate_limit(policy: &QuotaPolicy, limit: &ServiceLimit) -> String {
    let mut value = policy.name.clone();
    parameter(&mut value, ";r=", limit.remaining.into());
    parameter(&mut value, ";t=", seconds(limit.window));
    value
}

/// The older fields, with no standard of their own: how many requests, how many left, and in how many seconds all of
/// them are there again.
#[must_use]
pub fn legacy(policy: &QuotaPolicy, limit: &ServiceLimit) -> [(&'static str, String); 3] {
    [
        ("x-ratelimit-limit", policy.quota.to_string()),
        ("x-ratelimit-remaining", limit.remaining.to_string()),
        ("x-ratelimit-reset", seconds(limit.reset).to_string()),
    ]
}

/// The value of Retry-After: whole seconds, rounded up, at least 1, since 0 invites to ask at once.
#[must_use]
pub fn retry_after(wait: Duration) -> String {
    seconds(wait).max(1).to_string()
}

/// Whole seconds, rounded up, and no more than an Integer holds (RFC 9651 §3.3.1).
fn seconds(time: Duration) -> u64 {
    let up = u64::from(time.subsec_nanos() > 0);
    time.as_secs().saturating_add(up).min(999_999_999_999_999)
}

fn parameter(value: &mut String, name: &str, number: u64) {
    value.push_str(name);
    value.push_str(&number.to_string());
}

/// A String (RFC 9651 §4.1.6). What none can hold becomes `_`; names of limits hold no such thing.
fn string(text: &str) -> String {
    let mut value = String::with_capacity(text.len() + 2);
    value.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => value.extend(['\\', c]),
            ' '..='~' => value.push(c),
            _ => value.push('_'),
        }
    }
    value.push('"');
    value
}
