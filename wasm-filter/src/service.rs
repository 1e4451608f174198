//! What is told of a rate limit service: how long it takes, how often it fails, and when it began to.

use std::time::Duration;

use sallyport_traffic::decide::metric;
use sallyport_traffic::host::HostError;
use sallyport_traffic::program::{CountedBy, Program};

use crate::abi::log::{self, Level};
use crate::abi::metric::{Counter, Histogram};

/// How a call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Nobody answered in time.
    Timeout,
    /// It could not be made, or was answered with an error.
    Error,
    /// The service counted nothing, or by another limit.
    NotCounted,
}

/// The service, as one worker knows it.
#[derive(Debug, Default)]
pub(crate) struct Service {
    time: Option<Histogram>,
    /// Those that it counts for.
    limits: Vec<Limit>,
}

#[derive(Debug)]
struct Limit {
    /// Its place in the policy.
    at: usize,
    /// Its name and the policy's.
    name: String,
    failures: [Counter; 3],
    /// Whether it was told that calls fail, and not yet that they no longer do.
    is_away: bool,
    /// Whether one has failed since the last look.
    has_failed: bool,
    /// And whether one has not.
    has_counted: bool,
}

impl Service {
    /// That of a policy, none where it has none.
    pub(crate) fn of(program: &Program) -> Result<Self, HostError> {
        let policy = &program.policy;
        let mut service = Self::default();
        for (at, limit) in program.limits.iter().enumerate() {
            if limit.counted_by == CountedBy::Proxy {
                continue;
            }
            if service.time.is_none() {
                service.time =
                    Some(Histogram::define(&metric("sallyport_limit_service_milliseconds", program, &[]))?);
            }
            let limit = &limit.spec.name;
            let counter = |outcome: &str| {
                let labels = [("limit", limit.as_str()), ("outcome", outcome)];
                Counter::define(&metric("sallyport_limit_service_failures", program, &labels))
            };
            service.limits.push(Limit {
                at,
                name: format!("limit {limit} of TrafficPolicy {policy}"),
                failures: [counter("timeout")?, counter("error")?, counter("not_counted")?],
                is_away: false,
                has_failed: false,
                has_counted: false,
            });
        }
        Ok(service)
    }

    /// It has counted for a limit, and took so long.
    pub(crate) fn counted(&mut self, limit: usize, took: Duration) {
        if let Some(time) = self.time {
            let _ = time.record(took.as_millis().try_into().unwrap_or(u64::MAX));
        }
        if let Some(limit) = self.limit(limit) {
            limit.has_counted = true;
        }
    }

    /// It has not. Told is the first time that it did not, however many follow.
    pub(crate) fn failed(&mut self, limit: usize, failure: Failure, why: &str) {
        let Some(limit) = self.limit(limit) else { return };
        let [timeout, error, not_counted] = limit.failures;
        let counter = match failure {
            Failure::Timeout => timeout,
            Failure::Error => error,
            Failure::NotCounted => not_counted,
        };
        let _ = counter.increment();
        limit.has_failed = true;
        if !std::mem::replace(&mut limit.is_away, true) {
            log::line(
                Level::Warn,
                &format!("the rate limit service does not count for {}: {why}", limit.name),
            );
        }
    }

    /// Looks what was heard since the last look: where all went well again, that is told.
    pub(crate) fn look(&mut self) {
        for limit in &mut self.limits {
            let is_back = limit.is_away && limit.has_counted && !limit.has_failed;
            if is_back {
                limit.is_away = false;
                log::line(Level::Info, &format!("the rate limit service counts again for {}", limit.name));
            }
            (limit.has_failed, limit.has_counted) = (false, false);
        }
    }

    fn limit(&mut self, at: usize) -> Option<&mut Limit> {
        self.limits.iter_mut().find(|limit| limit.at == at)
    }
}
