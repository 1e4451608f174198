//! The generic cell rate algorithm, as pure arithmetic.
//!
//! All that is kept of a key is its theoretical arrival time (TAT): when the credit that it has used is paid back. Each
//! request moves it on by one emission interval; one that would move it further than a burst ahead is refused.
//! (The virtual scheduling algorithm of ITU-T I.371 annex A, with the tolerance of a whole burst.)

use std::num::{NonZeroU32, NonZeroU64};
use std::time::Duration;

use thiserror::Error;

use crate::Limit;
use crate::host::Monotonic;

/// When the credit that a key has used is paid back. The start of the clock for one that has used none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tat(pub Monotonic);

/// A limit that can be counted: in any interval of length t, its ends included, it admits at most
/// `burst + ⌊t · requests / period⌋` requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Gcra {
    /// The time that one request costs, rounded up to whole nanoseconds, so that the rate is never exceeded.
    interval: NonZeroU64,
    burst: NonZeroU32,
}

/// Why a limit can't be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum GcraError {
    /// It admits nothing.
    #[error("no request would be admitted")]
    Nothing,
    /// Its period is no time.
    #[error("the period is no time")]
    NoTime,
    /// A whole burst takes longer to come back than can be counted.
    #[error("a burst would take more than 73 years to come back")]
    TooLong,
}

/// What a key has left at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Standing {
    /// How many requests would be admitted at once.
    pub remaining: u32,
    /// How long until one is admitted; zero when one would be now.
    pub wait: Duration,
    /// How long until a whole burst is admitted again, if none is until then.
    pub reset: Duration,
}

/// What a burst may cost in nanoseconds: an eighth of what u64 holds, so that adding to a time can not pass its end for
/// centuries of a proxy's life.
const LONGEST: u64 = u64::MAX / 8;

impl Gcra {
    /// The limit, as a policy writes it.
    ///
    /// # Errors
    /// It can't be counted; `check` says so too.
    pub fn new(limit: &Limit) -> Result<Self, GcraError> {
        let requests = NonZeroU32::new(limit.requests).ok_or(GcraError::Nothing)?;
        let burst = NonZeroU32::new(limit.burst()).ok_or(GcraError::Nothing)?;
        let period = u128::from(limit.period.as_millis()) * 1_000_000;
        let interval = period.div_ceil(u128::from(requests.get()));
        if interval.saturating_mul(u128::from(burst.get())) > u128::from(LONGEST) {
            return Err(GcraError::TooLong);
        }
        let interval = u64::try_from(interval).map_err(|_| GcraError::TooLong)?;
        Ok(Self { interval: NonZeroU64::new(interval).ok_or(GcraError::NoTime)?, burst })
    }

    /// The time that one request costs.
    #[must_use]
    pub const fn interval(&self) -> Duration {
        Duration::from_nanos(self.interval.get())
    }

    /// How many requests are admitted at once after a time without any.
    #[must_use]
    pub const fn burst(&self) -> NonZeroU32 {
        self.burst
    }

    /// What a whole burst costs, in nanoseconds. No overflow: `new` bounds it.
    const fn tolerance(&self) -> u64 {
        self.interval.get().saturating_mul(self.burst.get() as u64)
    }

    /// The TAT of a key that has just used a whole burst: the furthest that one can be.
    #[must_use]
    pub const fn spent(&self, now: Monotonic) -> Tat {
        Tat(Monotonic(now.0.saturating_add(self.tolerance())))
    }

    /// The TAT after this many requests at once, if they are admitted. At the end of the clock none is.
    #[must_use]
    pub fn admit(&self, tat: Tat, now: Monotonic, requests: u32) -> Option<Tat> {
        let cost = self.interval.get().checked_mul(u64::from(requests))?;
        let after = tat.0.max(now).0.checked_add(cost)?;
        let latest = now.0.checked_add(self.tolerance())?;
        (after <= latest).then_some(Tat(Monotonic(after)))
    }

    /// What a key with this TAT has left.
    #[must_use]
    pub fn standing(&self, tat: Tat, now: Monotonic) -> Standing {
        let used = tat.0.0.saturating_sub(now.0);
        let tolerance = self.tolerance();
        let left = tolerance.saturating_sub(used) / self.interval;
        let wait = used.saturating_add(self.interval.get()).saturating_sub(tolerance);
        Standing {
            remaining: u32::try_from(left).unwrap_or(u32::MAX),
            wait: Duration::from_nanos(wait),
            reset: Duration::from_nanos(used),
        }
    }

    /// How long until so many requests at once are admitted; `None`: never, they are more than a burst.
    #[must_use]
    pub fn wait(&self, tat: Tat, now: Monotonic, requests: u32) -> Option<Duration> {
        let cost = self.interval.get().checked_mul(u64::from(requests))?;
        let room = self.tolerance().checked_sub(cost)?;
        Some(Duration::from_nanos(tat.0.0.saturating_sub(now.0).saturating_sub(room)))
    }
}
