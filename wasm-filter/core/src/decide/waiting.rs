//! Requests that wait for keys.

use crate::host::Monotonic;

/// How many requests may wait for keys, in each worker.
const MOST: usize = 1024;
/// How many are woken at once. The proxy answers a request when the event is over, and each answer is itself an event,
/// within that of the one before: a few hundred are more than the virtual machine's stack has room for.
const AT_ONCE: usize = 32;
/// How long a request waits for keys, in nanoseconds.
const LONGEST: u64 = 5_000_000_000;

/// The requests of one worker that wait for keys, in the order in which they came, by the numbers that the proxy gives
/// them.
#[derive(Clone, Debug, Default)]
pub struct Waiting {
    requests: Vec<Waiter>,
}

#[derive(Clone, Copy, Debug)]
struct Waiter {
    request: u32,
    /// When it has waited long enough.
    until: Monotonic,
    /// Whether a fetch has ended before that.
    is_called: bool,
}

impl Waiter {
    fn wakes(&self, now: Monotonic) -> bool {
        self.is_called || self.until <= now
    }
}

/// A request that waits no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Awake {
    /// Its number.
    pub request: u32,
    /// Whether it has waited as long as it may.
    pub too_long: bool,
}

impl Waiting {
    /// Has a request wait. False, and it does not, where too many do.
    pub fn add(&mut self, request: u32, now: Monotonic) -> bool {
        let has_room = self.requests.len() < MOST;
        if has_room {
            let until = Monotonic(now.0.saturating_add(LONGEST));
            self.requests.push(Waiter { request, until, is_called: false });
        }
        has_room
    }

    /// A request is gone: others may have its place.
    pub fn forget(&mut self, request: u32) {
        self.requests.retain(|waiter| waiter.request != request);
    }

    /// Takes out the first of those that have waited long enough, and where a fetch has `ended` of all who wait: a few
    /// dozen. The others' turn is when this is called again.
    pub fn wake(&mut self, ended: bool, now: Monotonic) -> Vec<Awake> {
        if ended {
            self.requests.iter_mut().for_each(|waiter| waiter.is_called |= waiter.until > now);
        }
        let mut left = AT_ONCE;
        let waking = self.requests.extract_if(.., |waiter| {
            let wakes = left > 0 && waiter.wakes(now);
            left -= usize::from(wakes);
            wakes
        });
        waking.map(|waiter| Awake { request: waiter.request, too_long: !waiter.is_called }).collect()
    }

    /// Whether there are more to wake already.
    #[must_use]
    pub fn has_more(&self, now: Monotonic) -> bool {
        self.requests.iter().any(|waiter| waiter.wakes(now))
    }

    /// Whether none waits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }
}
