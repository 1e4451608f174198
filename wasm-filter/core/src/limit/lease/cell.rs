//! What is known of one key.

use std::num::NonZeroU32;
use std::time::Duration;

use super::{Ask, Leases, Reply, Share, Take, Window};
use crate::host::Monotonic;
use crate::limit::key::Key;
use crate::limit::rls::Answer;

/// Each time is one until which something holds; one that has passed is as good as none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cell {
    /// How many tokens the service has granted that nobody spent yet.
    pub(super) tokens: u32,
    /// How many more it would have granted when it answered last.
    pub(super) remaining: u32,
    pub(super) tokens_until: Monotonic,
    /// The window that is now lasts at least until then.
    pub(super) window_until: Monotonic,
    /// The service refuses.
    pub(super) over_until: Monotonic,
    /// A lease is under way.
    pub(super) in_flight_until: Monotonic,
}

impl Cell {
    /// Whether nothing holds any more.
    pub(super) fn has_passed(&self, now: Monotonic) -> bool {
        self.leased(now) == 0
            && [self.window_until, self.over_until, self.in_flight_until].iter().all(|until| *until <= now)
    }

    /// Whether nothing holds any longer than until then.
    pub(super) fn ends_by(&self, latest: Monotonic) -> bool {
        [self.tokens_until, self.window_until, self.over_until, self.in_flight_until]
            .iter()
            .all(|until| *until <= latest)
    }

    fn leased(&self, now: Monotonic) -> u32 {
        if self.tokens_until > now { self.tokens } else { 0 }
    }

    fn window(&self, now: Monotonic) -> Window {
        Window { remaining: self.remaining.saturating_add(self.leased(now)), reset: self.reset(now) }
    }

    /// Rounded up, by the second that is not known.
    fn reset(&self, now: Monotonic) -> Duration {
        Duration::from_nanos(self.window_until.0.saturating_sub(now.0)).saturating_add(UNKNOWN)
    }

    /// What a request gets, and whether that changed anything.
    pub(super) fn take(
        &mut self,
        now: Monotonic,
        key: Key,
        leases: &Leases,
        timeout: Duration,
    ) -> (Take, bool) {
        if let Some(left) = self.leased(now).checked_sub(leases.cost.get()) {
            self.tokens = left;
            let share = Share { key, valid_until: Some(self.tokens_until), window: self.window(now) };
            return (Take::Share(share), true);
        }
        if self.over_until > now {
            return (Take::Over(Window { remaining: 0, reset: self.reset(now) }), false);
        }
        let mut ask = Ask::alone(key, now, leases.cost);
        ask.window_until = Some(self.window_until).filter(|until| *until > now);
        // More than is left would be refused as a whole.
        let hits =
            NonZeroU32::new(self.remaining).unwrap_or(NonZeroU32::MIN).min(leases.size).max(leases.cost);
        let asks_for_lease = hits > leases.cost && ask.window_until.is_some() && self.in_flight_until <= now;
        if asks_for_lease {
            ask.hits = hits;
            self.in_flight_until = after(now, timeout);
            ask.in_flight_until = Some(self.in_flight_until);
        }
        (Take::Ask(ask), asks_for_lease)
    }

    /// Takes in what the service answered.
    pub(super) fn answered(
        &mut self,
        now: Monotonic,
        ask: &Ask,
        answer: Option<Answer>,
        leases: &Leases,
    ) -> Reply {
        if ask.in_flight_until == Some(self.in_flight_until) {
            self.in_flight_until = Monotonic(0);
        }
        match answer {
            Some(Answer::Granted { remaining, reset }) => {
                let reset = reset.min(leases.period);
                let until = self.learn(now, ask, reset);
                self.remaining = remaining;
                if let Some(until) = until {
                    self.add(ask.hits.get().saturating_sub(leases.cost.get()), until, now);
                }
                let window = Window { reset, ..self.window(now) };
                Reply::Share(Share { key: ask.key, valid_until: until, window })
            }
            Some(Answer::Refused { reset }) => {
                let reset = reset.min(leases.period);
                let until = self.learn(now, ask, reset);
                self.remaining = 0;
                // Of a lease that is refused, less may be granted.
                if let Some(until) = until.filter(|_| ask.hits == leases.cost) {
                    self.over_until = self.over_until.max(until);
                }
                Reply::Over(Window { remaining: 0, reset })
            }
            Some(Answer::NotCounted) | None => Reply::Unavailable,
        }
    }

    /// Adds tokens. Those that are there are of the same window, for all are valid now, but may not be known to last as
    /// long.
    pub(super) fn add(&mut self, tokens: u32, until: Monotonic, now: Monotonic) {
        let leased = self.leased(now);
        if tokens > 0 && until > now {
            self.tokens_until = if leased > 0 { self.tokens_until.min(until) } else { until };
            self.tokens = leased.saturating_add(tokens);
        }
    }

    /// Learns of the window that the service was in when it answered. Until when what it counted is valid, if the window
    /// was known before.
    fn learn(&mut self, now: Monotonic, ask: &Ask, reset: Duration) -> Option<Monotonic> {
        let until = after(ask.asked, reset.saturating_sub(UNKNOWN).saturating_sub(reset / DRIFT));
        if until > now {
            self.window_until = self.window_until.max(until);
        }
        ask.window_until.map(|known| known.min(until)).filter(|until| *until > now)
    }
}

/// How much longer than it lasts a window may be said to last.
const UNKNOWN: Duration = Duration::from_secs(1);
/// Clocks are taken to drift apart by no more than one part in so many.
const DRIFT: u32 = 4096;

/// A time and a span later.
pub(super) fn after(time: Monotonic, span: Duration) -> Monotonic {
    Monotonic(time.0.saturating_add(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)))
}
