//! When keys are fetched: one schedule for all workers of a proxy, in memory that they share.
//!
//! Whoever finds a fetch due takes it on by compare-and-swap, for so long as a fetch may take; the others go on with the
//! keys that they have. Whatever becomes of that worker, another finds the fetch due again when its time is over.

use sallyport_policy::Duration;

use crate::host::{Expect, HostError, Monotonic, Shared, SharedData, WriteError};

/// How long one fetch may take.
pub const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// A fetch belongs to whoever took it on for a little longer, so that no second starts beside it.
const TAKEN_FOR: u64 = nanos(FETCH_TIMEOUT) + 1_000_000_000;
/// After a failure the next fetch waits so long, and twice as long after each further one.
const FIRST_DELAY: u64 = 1_000_000_000;
/// But never longer than this.
const LONGEST_DELAY: u64 = 300 * 1_000_000_000;
/// And no longer than this as long as there are no keys that can be used.
const WITHOUT_KEYS: u64 = 10 * 1_000_000_000;
/// After a fetch, one that an unknown `kid` asks for waits so long. No longer, however many were in vain: whoever makes
/// names up must not keep others from a key that is new.
const UNKNOWN_DELAY: u64 = 10 * 1_000_000_000;
/// Writers who lose the race so often leave it to the next tick.
pub(super) const TRIES: usize = 8;

pub(super) const fn nanos(duration: Duration) -> u64 {
    duration.as_millis().saturating_mul(1_000_000)
}

/// The state of a provider's fetches, as the workers share it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// When the next fetch is due.
    pub next: Monotonic,
    /// Until when a fetch is under way.
    pub taken_until: Monotonic,
    /// When the last fetch ended, well or badly. Zero: never.
    pub ended: Monotonic,
    /// When keys last arrived.
    pub fetched: Monotonic,
    /// How many fetches have failed since the last that did not.
    pub failures: u32,
    /// How often the keys were replaced. Zero: there are none yet.
    pub generation: u32,
}

/// How many bytes a schedule takes.
const SIZE: usize = 4 * 8 + 2 * 4;

impl Schedule {
    fn encode(self) -> [u8; SIZE] {
        let mut bytes = [0; SIZE];
        let times = [self.next, self.taken_until, self.ended, self.fetched].map(|time| time.0.to_le_bytes());
        let counts = [self.failures, self.generation].map(u32::to_le_bytes);
        let all = times.iter().flatten().chain(counts.iter().flatten()).copied();
        for (byte, value) in bytes.iter_mut().zip(all) {
            *byte = value;
        }
        bytes
    }

    /// What is not a schedule counts as none: a fetch is due at once.
    fn decode(bytes: &[u8]) -> Self {
        fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
            let (head, rest) = bytes.split_first_chunk()?;
            *bytes = rest;
            Some(*head)
        }
        fn all(mut bytes: &[u8]) -> Option<Schedule> {
            let bytes = &mut bytes;
            let [next, taken_until, ended, fetched] =
                [take(bytes)?, take(bytes)?, take(bytes)?, take(bytes)?]
                    .map(|time| Monotonic(u64::from_le_bytes(time)));
            let [failures, generation] = [take(bytes)?, take(bytes)?].map(u32::from_le_bytes);
            Some(Schedule { next, taken_until, ended, fetched, failures, generation })
        }
        all(bytes).unwrap_or_default()
    }

    /// Whether somebody should fetch now.
    #[must_use]
    pub fn is_due(&self, now: Monotonic) -> bool {
        self.next <= now && self.taken_until <= now
    }

    fn take_on(&mut self, now: Monotonic) {
        self.taken_until = Monotonic(now.0.saturating_add(TAKEN_FOR));
    }

    /// Makes a fetch due for a `kid` that the keys lack, unless one is under way or the last one is too recent.
    /// Whether a request may hope for it.
    fn ask(&mut self, now: Monotonic) -> bool {
        if self.taken_until > now || self.next <= now {
            return true;
        }
        if now < self.hears_from() {
            return false;
        }
        self.next = now;
        true
    }

    /// How long the last keys are good, which they are for `max_stale`, in nanoseconds. 0 without any.
    #[must_use]
    pub fn left(&self, now: Monotonic, max_stale: Duration) -> u64 {
        if self.generation == 0 {
            return 0;
        }
        self.fetched.0.saturating_add(nanos(max_stale)).saturating_sub(now.0)
    }

    /// From when on it is of use to ask for a fetch.
    #[must_use]
    pub fn hears_from(&self) -> Monotonic {
        if self.failures > 0 {
            return self.next;
        }
        Monotonic(self.ended.0.saturating_add(UNKNOWN_DELAY))
    }

    /// A fetch brought keys, which are good for `lifetime`.
    fn succeed(&mut self, now: Monotonic, lifetime: Duration, changed: bool, jitter: u32) {
        if changed || self.generation == 0 {
            // Zero says that there are none.
            self.generation = self.generation.checked_add(1).unwrap_or(1);
        }
        self.failures = 0;
        self.fetched = now;
        // Somewhere in the last fifth of their life, so that the proxies of a mesh do not all come at once.
        let lifetime = nanos(lifetime);
        self.end(now, lifetime - part(lifetime / 5, jitter));
    }

    /// A fetch brought nothing that can be used. The pause after it is not for longer than the last keys, and short where
    /// there are none: then nobody can sign in.
    fn fail(&mut self, now: Monotonic, max_stale: Duration, jitter: u32) {
        let longest = self.left(now, max_stale).max(WITHOUT_KEYS);
        let delay = doubled(FIRST_DELAY, self.failures).min(longest);
        self.failures = self.failures.saturating_add(1);
        self.end(now, delay - part(delay / 2, jitter));
    }

    fn end(&mut self, now: Monotonic, until_next: u64) {
        self.taken_until = Monotonic::default();
        self.ended = now;
        self.next = Monotonic(now.0.saturating_add(until_next));
    }
}

/// `first` doubled `times` times, at most [`LONGEST_DELAY`].
fn doubled(first: u64, times: u32) -> u64 {
    first.saturating_mul(1u64.checked_shl(times.min(32)).unwrap_or(u64::MAX)).min(LONGEST_DELAY)
}

/// A part of `whole`, evenly drawn by `jitter`.
fn part(whole: u64, jitter: u32) -> u64 {
    let part = u128::from(whole) * u128::from(jitter) / u128::from(u32::MAX);
    u64::try_from(part).unwrap_or(whole)
}

/// A schedule's place in shared data.
#[derive(Clone, Debug)]
pub struct Cell {
    key: Vec<u8>,
}

impl Cell {
    /// The place named `key`.
    #[must_use]
    pub fn new(key: Vec<u8>) -> Self {
        Self { key }
    }

    /// The schedule as it stands.
    ///
    /// # Errors
    /// The proxy failed.
    pub fn read(&self, shared: &dyn SharedData) -> Result<Schedule, HostError> {
        Ok(shared.read(&self.key)?.map_or_else(Schedule::default, |cell| Schedule::decode(&cell.value)))
    }

    /// Takes a fetch on, if one is due and nobody else has.
    ///
    /// # Errors
    /// The proxy failed.
    pub fn take_on(&self, shared: &dyn SharedData, now: Monotonic) -> Result<bool, HostError> {
        self.change(shared, |schedule| schedule.is_due(now).then(|| schedule.take_on(now)))
            .map(|it| it.is_some())
    }

    /// Asks for a fetch because of a `kid` that the keys of this `generation` lack, unless there are others already:
    /// whether a request may hope, and the schedule after it. `None`: every try met another writer.
    ///
    /// # Errors
    /// The proxy failed.
    pub fn ask(
        &self,
        shared: &dyn SharedData,
        now: Monotonic,
        generation: u32,
    ) -> Result<Option<(bool, Schedule)>, HostError> {
        self.change(shared, |schedule| {
            let hope = schedule.generation != generation || schedule.ask(now);
            Some((hope, *schedule))
        })
    }

    /// A fetch brought keys: the schedule after it.
    ///
    /// # Errors
    /// The proxy failed.
    pub fn succeed(
        &self,
        shared: &dyn SharedData,
        now: Monotonic,
        lifetime: Duration,
        changed: bool,
        jitter: u32,
    ) -> Result<Option<Schedule>, HostError> {
        self.change(shared, |schedule| {
            schedule.succeed(now, lifetime, changed, jitter);
            Some(*schedule)
        })
    }

    /// A fetch brought nothing that can be used: the schedule after it.
    ///
    /// # Errors
    /// The proxy failed.
    pub fn fail(
        &self,
        shared: &dyn SharedData,
        now: Monotonic,
        max_stale: Duration,
        jitter: u32,
    ) -> Result<Option<Schedule>, HostError> {
        self.change(shared, |schedule| {
            schedule.fail(now, max_stale, jitter);
            Some(*schedule)
        })
    }

    /// Changes the schedule unless `change` says `None`, or every try met another writer.
    fn change<T>(
        &self,
        shared: &dyn SharedData,
        mut change: impl FnMut(&mut Schedule) -> Option<T>,
    ) -> Result<Option<T>, HostError> {
        for _ in 0..TRIES {
            let before = shared.read(&self.key)?;
            let (mut schedule, expect) = match &before {
                Some(Shared { value, version }) => (Schedule::decode(value), Expect::Version(*version)),
                None => (Schedule::default(), Expect::Absent),
            };
            let unchanged = schedule;
            let Some(result) = change(&mut schedule) else { return Ok(None) };
            if schedule == unchanged {
                return Ok(Some(result));
            }
            match shared.write(&self.key, &schedule.encode(), expect) {
                Ok(()) => return Ok(Some(result)),
                Err(WriteError::Changed) => {}
                Err(WriteError::Host(error)) => return Err(error),
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::model::Model;

    const SECOND: u64 = 1_000_000_000;

    fn at(seconds: u64) -> Monotonic {
        Monotonic(seconds * SECOND)
    }

    fn cell() -> Cell {
        Cell::new(b"schedule".to_vec())
    }

    const DAY: Duration = Duration::from_secs(86_400);

    /// Whether a request may hope for keys, by whoever knows those that are there.
    fn asked(shared: &Model, now: u64) -> bool {
        let generation = cell().read(shared).unwrap().generation;
        cell().ask(shared, at(now), generation).unwrap().unwrap().0
    }

    #[test]
    fn a_schedule_is_read_as_it_was_written() {
        let schedule = Schedule {
            next: Monotonic(1),
            taken_until: Monotonic(2),
            ended: Monotonic(3),
            fetched: Monotonic(7),
            failures: 4,
            generation: 6,
        };
        assert_eq!(Schedule::decode(&schedule.encode()), schedule);
        assert_eq!(Schedule::decode(b"nonsense"), Schedule::default());
    }

    #[test]
    fn one_worker_takes_the_first_fetch_on_and_no_second_does() {
        let shared = Model::default();
        assert_eq!(cell().take_on(&shared, at(100)), Ok(true));
        assert_eq!(cell().take_on(&shared, at(100)), Ok(false));
        assert_eq!(cell().take_on(&shared, at(105)), Ok(false));
    }

    #[test]
    fn a_fetch_whose_worker_is_gone_is_taken_on_by_another() {
        let shared = Model::default();
        assert_eq!(cell().take_on(&shared, at(100)), Ok(true));
        assert_eq!(cell().take_on(&shared, at(106)), Ok(true));
    }

    #[test]
    fn the_next_fetch_comes_in_the_last_fifth_of_the_keys_life() {
        for (jitter, next) in [(0, 400), (u32::MAX, 340)] {
            let shared = Model::default();
            cell().take_on(&shared, at(100)).unwrap();
            let schedule =
                cell().succeed(&shared, at(100), Duration::from_secs(300), true, jitter).unwrap().unwrap();
            assert_eq!(schedule.next, at(next));
            assert_eq!(schedule.generation, 1);
            assert_eq!(cell().take_on(&shared, at(next - 1)), Ok(false));
            assert_eq!(cell().take_on(&shared, at(next)), Ok(true));
        }
    }

    #[test]
    fn failures_are_followed_by_longer_and_longer_pauses() {
        let shared = Model::default();
        let mut pauses = Vec::new();
        cell().succeed(&shared, at(100), Duration::from_secs(300), true, 0).unwrap();
        for _ in 0..12 {
            let schedule = cell().fail(&shared, at(100), DAY, 0).unwrap().unwrap();
            pauses.push((schedule.next.0 - at(100).0) / SECOND);
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
        let half = cell().fail(&shared, at(100), DAY, u32::MAX).unwrap().unwrap();
        assert_eq!(half.next, at(250));
    }

    #[test]
    fn without_keys_no_pause_is_long_and_none_lasts_beyond_the_keys() {
        let shared = Model::default();
        let pause = |now: u64| {
            let schedule = cell().fail(&shared, at(now), Duration::from_secs(1000), 0).unwrap().unwrap();
            schedule.next.0 / SECOND - now
        };
        assert_eq!([(); 7].map(|()| pause(100)), [1, 2, 4, 8, 10, 10, 10]);
        cell().succeed(&shared, at(200), Duration::from_secs(300), true, 0).unwrap();
        assert_eq!([(); 10].map(|()| pause(500)), [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
        // They are good until 1200.
        assert_eq!([1000, 1180, 1195, 1200, 5000].map(pause), [200, 20, 10, 10, 10]);
    }

    #[test]
    fn an_unknown_kid_has_keys_fetched_at_most_every_ten_seconds_however_many_were_in_vain() {
        let shared = Model::default();
        let hour = Duration::from_secs(3600);
        cell().succeed(&shared, at(100), hour, true, 0).unwrap();
        // Too soon after the last fetch.
        assert!(!asked(&shared, 105));
        let mut now = 100;
        for pause in [10; 7] {
            assert!(!asked(&shared, now + pause - 1), "{pause}");
            now += pause;
            assert!(asked(&shared, now), "{pause}");
            // All who ask meanwhile wait for the same.
            assert!(asked(&shared, now));
            assert_eq!(cell().take_on(&shared, at(now)), Ok(true));
            assert_eq!(cell().take_on(&shared, at(now)), Ok(false));
            cell().succeed(&shared, at(now), hour, false, 0).unwrap();
        }
        now += 10;
        assert!(asked(&shared, now));
        cell().succeed(&shared, at(now), hour, true, 0).unwrap();
        assert!(asked(&shared, now + 10));
    }

    #[test]
    fn an_unknown_kid_does_not_shorten_the_pause_after_a_failure() {
        let shared = Model::default();
        cell().succeed(&shared, at(100), DAY, true, 0).unwrap();
        for _ in 0..6 {
            cell().fail(&shared, at(100), DAY, 0).unwrap();
        }
        assert!(!asked(&shared, 131));
        assert!(asked(&shared, 132));
        assert!(cell().ask(&shared, at(101), 0).unwrap().unwrap().0, "there are other keys already");
    }

    #[test]
    fn a_writer_who_always_loses_gives_up() {
        let shared = Model::default();
        shared.lose_races(usize::MAX);
        assert_eq!(cell().take_on(&shared, at(100)), Ok(false));
        shared.lose_races(3);
        assert_eq!(cell().take_on(&shared, at(100)), Ok(true));
    }
}
