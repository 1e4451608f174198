//! Tokens that a service leases to this proxy, for a limit of scope Global.
//!
//! A request takes its [share](Share) of tokens from the pool of its key, or else asks the service: for its own alone, or
//! for a lease of more, of which one at a time is under way for each key. The service counts in fixed windows of whole seconds, and
//! never grants more than the limit in one; so it only remains that no token is spent in a later window than the one it
//! was counted in. What is known of windows:
//!
//! - The service says how long its window lasts in whole seconds, counted from the second that its clock shows, so up to
//!   a second too long. The window that it was in when it answered ends no earlier than the time we asked, plus what it
//!   said, less that second (and less what two clocks may drift apart until then).
//! - It may count a request in one window and look at the clock in the next. So its answer tells of the window that is
//!   now, and not of the one that it counted in. Therefore a lease is only asked for when an earlier answer told of the
//!   window; its tokens are valid to the end of that one. The first request of each window asks for itself.
//! - For the same reason a refusal is remembered only if the window was known before it was asked for.
//!
//! With a unit of one second nothing is ever known, and every request asks.
//!
//! Whatever is lost on the way, be it an answer or a worker, was counted by the service and is spent by nobody: less is
//! admitted, never more.

mod cell;
mod set;

use std::num::NonZeroU32;
use std::time::Duration;

use cell::Cell;
use set::Set;

use super::key::Key;
use super::rls::Answer;
use super::table::{ATTEMPTS, Table};
use crate::host::{Expect, HostError, Monotonic, SharedData, WriteError};

/// The leases of one limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leases {
    /// Where they are.
    pub table: Table,
    /// As how many tokens each request counts.
    pub cost: NonZeroU32,
    /// How many tokens are asked for at a time; as many as one request takes, if that is more.
    pub size: NonZeroU32,
    /// How long a window lasts.
    pub period: Duration,
}

/// What a request gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    /// Its share: the limit admits it.
    Share(Share),
    /// Nothing yet: the service is to be asked.
    Ask(Ask),
    /// The limit refuses it.
    Over(Window),
}

/// The tokens of one request, which the service counted within its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    key: Key,
    /// Until when somebody else can spend it, if anybody can.
    valid_until: Option<Monotonic>,
    /// What is left.
    pub window: Window,
}

/// A call that is to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the service is to be asked, and what it says told"]
pub struct Ask {
    /// For how many tokens.
    pub hits: NonZeroU32,
    key: Key,
    asked: Monotonic,
    /// The end of the window that is known to be now.
    window_until: Option<Monotonic>,
    /// Until when no other worker asks for a lease.
    in_flight_until: Option<Monotonic>,
}

/// What is known of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// How many tokens are left, as far as this proxy knows.
    pub remaining: u32,
    /// How long until it ends, rounded up.
    pub reset: Duration,
}

/// What the service's answer means for the request that asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The limit admits it.
    Share(Share),
    /// The limit refuses it.
    Over(Window),
    /// The service did not count it.
    Unavailable,
}

impl Leases {
    /// Takes a request's share, or says what to ask the service. Others ask for no lease for as long as the service has time to
    /// answer, which is `timeout`.
    ///
    /// # Errors
    /// The proxy failed.
    pub fn take(
        &self,
        shared: &dyn SharedData,
        now: Monotonic,
        key: Key,
        timeout: Duration,
    ) -> Result<Take, HostError> {
        let alone = Take::Ask(Ask::alone(key, now, self.cost));
        self.update(shared, now, key, |cell| cell.take(now, key, self, timeout))
            .map(|taken| taken.unwrap_or(alone))
    }

    /// Hands over what the service answered: what it leased is for others to take. `None`: it did not answer, or what
    /// it answered could not be read.
    pub fn answered(
        &self,
        shared: &dyn SharedData,
        now: Monotonic,
        ask: Ask,
        answer: Option<Answer>,
    ) -> Reply {
        // What can't be written is lost: see above.
        let take_in = |cell: &mut Cell| cell.answered(now, &ask, answer, self);
        match self.update(shared, now, ask.key, |cell| (take_in(cell), true)) {
            Ok(Some(reply)) => reply,
            Ok(None) | Err(_) => take_in(&mut Cell::default()),
        }
    }

    /// Gives back the share of a request that is refused for another reason.
    pub fn give_back(&self, shared: &dyn SharedData, now: Monotonic, share: Share) {
        if let Some(until) = share.valid_until.filter(|until| *until > now) {
            let _ = self.update(shared, now, share.key, |cell| (cell.add(self.cost.get(), until, now), true));
        }
    }

    /// Changes what is known of a key, where `change` says that it did. `None`: nothing can be kept of this key now,
    /// since its set is full, of another era, or changed by others all the time.
    fn update<T>(
        &self,
        shared: &dyn SharedData,
        now: Monotonic,
        key: Key,
        mut change: impl FnMut(&mut Cell) -> (T, bool),
    ) -> Result<Option<T>, HostError> {
        let address = self.table.address(key);
        for _ in 0..ATTEMPTS {
            let found = shared.read(&address)?;
            let expect = found.as_ref().map_or(Expect::Absent, |found| Expect::Version(found.version));
            // A value that is not ours leases nothing, and neither does one that says what can't be.
            let latest = cell::after(now, self.period.saturating_mul(2));
            let read = found.and_then(|found| Set::decode(&found.value)).filter(|set| set.ends_by(latest));
            let mut set = match read {
                Some(set) if set.era > self.table.era() => return Ok(None),
                Some(set) if set.era == self.table.era() => set,
                _ => Set::empty(self.table.era()),
            };
            let mut cell = set.find(key);
            let (result, is_changed) = change(&mut cell);
            if !is_changed {
                return Ok(Some(result));
            }
            if !set.put(key, cell, now) {
                return Ok(None);
            }
            match shared.write(&address, &set.encode(), expect) {
                Ok(()) => return Ok(Some(result)),
                Err(WriteError::Changed) => {}
                Err(WriteError::Host(error)) => return Err(error),
            }
        }
        Ok(None)
    }
}

impl Ask {
    /// For one request, knowing nothing.
    const fn alone(key: Key, now: Monotonic, cost: NonZeroU32) -> Self {
        Self { hits: cost, key, asked: now, window_until: None, in_flight_until: None }
    }
}
