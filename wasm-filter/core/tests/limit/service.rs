//! A rate limit service that counts as envoyproxy/ratelimit does: in fixed windows aligned to whole seconds of its own
//! clock, which it looks at once to choose the window, and again to say how long the window lasts.

use std::collections::BTreeMap;
use std::time::Duration;

use sallyport_traffic::limit::rls::Answer;

#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) limit: u64,
    /// A window's seconds.
    pub(crate) period: u64,
    /// What its clock shows at the start of the world, in nanoseconds.
    pub(crate) offset: u64,
    counts: BTreeMap<u64, u64>,
}

/// A request that is counted, and not answered yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) window: u64,
    pub(crate) after: u64,
}

impl Service {
    pub(crate) fn new(limit: u64, period: u64, offset: u64) -> Self {
        Self { limit, period, offset, counts: BTreeMap::new() }
    }

    fn second(&self, now: u64) -> u64 {
        (now + self.offset) / 1_000_000_000
    }

    pub(crate) fn window(&self, now: u64) -> u64 {
        self.second(now) / self.period
    }

    /// How long until the next window begins, exactly.
    pub(crate) fn until_next(&self, now: u64) -> u64 {
        (self.window(now) + 1) * self.period * 1_000_000_000 - self.offset - now
    }

    pub(crate) fn count(&mut self, now: u64, hits: u32) -> Counted {
        let window = self.window(now);
        let count = self.counts.entry(window).or_default();
        *count += u64::from(hits);
        Counted { window, after: *count }
    }

    pub(crate) fn answer(&self, now: u64, counted: Counted) -> Answer {
        let reset = Duration::from_secs(self.period - self.second(now) % self.period);
        match self.limit.checked_sub(counted.after) {
            Some(remaining) => Answer::Granted { remaining: remaining.try_into().unwrap(), reset },
            None => Answer::Refused { reset },
        }
    }
}
