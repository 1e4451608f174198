//! Requests that wait for keys.

use crate::host::Monotonic;

/// How many requests may wait for keys, in each worker.
const MOST: usize = 1024;
/// How long a request waits for keys, in nanoseconds.
const LONGEST: u64 = 5_000_000_000;

/// The requests of one worker that wait for keys, in the order in which they came, by the numbers that the proxy gives
/// them.
#[derive(Clone, Debug, Default)]
pub struct Waiting {
    /// Each with the time when it has waited long enough.
    requests: Vec<(u32, Monotonic)>,
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
            self.requests.push((request, Monotonic(now.0.saturating_add(LONGEST))));
        }
        has_room
    }

    /// A request is gone: others may have its place.
    pub fn forget(&mut self, request: u32) {
        self.requests.retain(|(other, _)| *other != request);
    }

    /// Takes out those that have waited long enough, and all where a fetch has `ended`.
    pub fn wake(&mut self, ended: bool, now: Monotonic) -> Vec<Awake> {
        let waking = self.requests.extract_if(.., |(_, until)| ended || until.0 <= now.0);
        waking.map(|(request, until)| Awake { request, too_long: until.0 <= now.0 }).collect()
    }

    /// Whether none waits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }
}
