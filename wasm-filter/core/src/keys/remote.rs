//! Keys that are fetched: what a worker has of them, and what all workers share.

use std::fmt;
use std::rc::Rc;

use sallyport_policy::Duration;

use super::cache_control::freshness;
use super::schedule::{Cell, Schedule, TRIES, nanos};
use super::unknown::UnknownKids;
use crate::host::{Expect, HostError, Monotonic, Shared, SharedData, WriteError};
use crate::jose::{KeySet, KeySetError};

/// Fetched anew so often, where neither the policy nor the answer says.
const REFRESH: Duration = Duration::from_secs(300);
/// Whatever the answer says, keys are not fetched more often than this.
const SHORTEST: Duration = Duration::from_secs(30);
/// How many bytes of an answer are read.
pub const MOST_BYTES: usize = 256 << 10;

/// An answer to a fetch.
#[derive(Clone, Copy, Debug)]
pub struct Fetched<'a> {
    /// The status code.
    pub status: u16,
    /// The values of its Cache-Control fields.
    pub cache_control: &'a [&'a [u8]],
    /// How old it is already, in seconds: its Age field (RFC 9111 §5.1).
    pub age: u64,
    /// Its body, up to one byte more than [`MOST_BYTES`].
    pub body: &'a [u8],
}

/// What became of a fetch, for metrics and logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetch {
    /// It brought the first keys.
    First,
    /// It brought other keys.
    Changed,
    /// It brought the same keys.
    Same,
    /// Nobody answered.
    NoAnswer,
    /// The answer was not 200: redirects are not followed.
    Status(u16),
    /// The answer was larger than [`MOST_BYTES`].
    TooLarge,
    /// The answer was no key set with a key that can be used.
    Unusable(KeySetError),
}

impl Fetch {
    /// Whether it brought keys.
    #[must_use]
    pub const fn is_good(self) -> bool {
        matches!(self, Self::First | Self::Changed | Self::Same)
    }

    /// A word for it. A set that holds a private key has one of its own: whoever could read it can make tokens.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Changed => "changed",
            Self::Same => "same",
            Self::NoAnswer => "no_answer",
            Self::Status(_) => "status",
            Self::TooLarge => "too_large",
            Self::Unusable(KeySetError::Private(_)) => "private_key",
            Self::Unusable(_) => "unusable",
        }
    }
}

impl fmt::Display for Fetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::First => f.write_str("they are the first"),
            Self::Changed => f.write_str("they are others than before"),
            Self::Same => f.write_str("they are the same as before"),
            Self::NoAnswer => f.write_str("nobody answered"),
            Self::Status(status) => write!(f, "the answer was {status}"),
            Self::TooLarge => write!(f, "the answer was larger than {MOST_BYTES} bytes"),
            Self::Unusable(error) => write!(f, "the answer can't be used: {error}"),
        }
    }
}

/// What a request finds when it asks for a provider's keys.
#[derive(Clone, Debug)]
pub enum Found {
    /// These.
    Keys(Rc<KeySet>),
    /// None yet, but they are on their way.
    Coming,
    /// None: they could not be fetched, or what was fetched is too old.
    None,
}

/// What came of asking for a key that is not among the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// There are other keys now: it may be among these.
    Others,
    /// A fetch is on its way that may bring it.
    Coming,
    /// None is.
    Unknown,
}

/// A provider's keys in one worker.
#[derive(Debug)]
pub struct RemoteKeys {
    schedule: Cell,
    /// Where all workers find the keys as they were fetched.
    place: Vec<u8>,
    refresh: Option<Duration>,
    max_stale: Duration,
    /// The schedule that these keys are of.
    seen: Schedule,
    /// When the last fetch had ended, as [`Self::look`] last saw it.
    looked: Monotonic,
    keys: Option<Rc<KeySet>>,
    unknown: UnknownKids,
}

impl RemoteKeys {
    /// The keys that workers share under `name`, which tells this policy, provider and address from all others.
    #[must_use]
    pub fn new(name: &str, refresh: Option<Duration>, max_stale: Duration) -> Self {
        let place = |what: &str| format!("sallyport/keys/{what}/{name}").into_bytes();
        Self {
            schedule: Cell::new(place("schedule")),
            place: place("set"),
            refresh,
            max_stale,
            seen: Schedule::default(),
            looked: Monotonic::default(),
            keys: None,
            unknown: UnknownKids::default(),
        }
    }

    /// The keys as this worker last saw them.
    #[must_use]
    pub fn current(&self, now: Monotonic) -> Found {
        match &self.keys {
            Some(keys) if now.0.saturating_sub(self.seen.fetched.0) <= nanos(self.max_stale) => {
                Found::Keys(Rc::clone(keys))
            }
            _ if self.seen.failures == 0 || self.seen.taken_until > now => Found::Coming,
            _ => Found::None,
        }
    }

    /// How long ago the keys arrived, in nanoseconds.
    #[must_use]
    pub fn age(&self, now: Monotonic) -> Option<u64> {
        self.keys.as_ref().map(|_| now.0.saturating_sub(self.seen.fetched.0))
    }

    /// How long until the next fetch, as this worker knows, in nanoseconds.
    #[must_use]
    pub fn next(&self, now: Monotonic) -> u64 {
        self.seen.next.0.saturating_sub(now.0)
    }

    /// Looks whether another worker has fetched: whether a fetch has ended since the last look.
    ///
    /// # Errors
    /// The proxy failed.
    pub fn look(&mut self, shared: &dyn SharedData) -> Result<bool, HostError> {
        let schedule = self.schedule.read(shared)?;
        self.take_in(shared, schedule)?;
        let ended = schedule.ended != self.looked;
        self.looked = schedule.ended;
        Ok(ended)
    }

    /// Takes in the keys that another worker has fetched: whether they are others.
    ///
    /// # Errors
    /// The proxy failed.
    pub fn catch_up(&mut self, shared: &dyn SharedData) -> Result<bool, HostError> {
        let schedule = self.schedule.read(shared)?;
        self.take_in(shared, schedule)
    }

    /// Takes in what the workers share, the keys with it where they are others: whether they are.
    fn take_in(&mut self, shared: &dyn SharedData, schedule: Schedule) -> Result<bool, HostError> {
        let generation = self.seen.generation;
        if schedule.generation != generation {
            let set = shared.read(&self.place)?;
            if let Some(Ok(keys)) = set.map(|set| KeySet::from_jwks(&set.value)) {
                self.keys = Some(Rc::new(keys));
                self.unknown.clear();
                self.seen = schedule;
                return Ok(true);
            }
        }
        // Of keys that were not found yet, the generation is still to come.
        self.seen = Schedule { generation, ..schedule };
        Ok(false)
    }

    /// Whether this worker has to fetch now: it has taken that on, and no other will.
    ///
    /// # Errors
    /// The proxy failed.
    pub fn take_on(&mut self, shared: &dyn SharedData, now: Monotonic) -> Result<bool, HostError> {
        // Nearly always nothing is due, which needs no look.
        Ok(self.seen.is_due(now) && self.schedule.take_on(shared, now)?)
    }

    /// A token names a key that is not among the keys.
    ///
    /// # Errors
    /// The proxy failed.
    pub fn ask_for(
        &mut self,
        shared: &dyn SharedData,
        kid: &str,
        now: Monotonic,
    ) -> Result<Asked, HostError> {
        if self.unknown.contains(kid, now) {
            return Ok(Asked::Unknown);
        }
        let asked = self.schedule.ask(shared, now, self.seen.generation)?;
        let Some((hope, schedule)) = asked else { return Ok(Asked::Unknown) };
        if self.take_in(shared, schedule)? {
            return Ok(Asked::Others);
        }
        if hope {
            return Ok(Asked::Coming);
        }
        // No longer: an issuer may sign with a new key soon after its keys were fetched.
        self.unknown.insert(kid, schedule.hears_from());
        Ok(Asked::Unknown)
    }

    /// The fetch that this worker took on has ended: what became of it, and the schedule after it, unless every try met
    /// another writer. Keys that can't be used replace none.
    ///
    /// # Errors
    /// The proxy failed.
    pub fn fetched(
        &mut self,
        shared: &dyn SharedData,
        answer: Option<Fetched<'_>>,
        now: Monotonic,
        jitter: u32,
    ) -> Result<(Fetch, Option<Schedule>), HostError> {
        let (answer, keys) = match judge(answer) {
            Err(fetch) => return Ok((fetch, self.schedule.fail(shared, now, self.max_stale, jitter)?)),
            Ok(good) => good,
        };
        let fetch = match &self.keys {
            None => Fetch::First,
            Some(before) if before.fingerprint() == keys.fingerprint() => Fetch::Same,
            Some(_) => Fetch::Changed,
        };
        // The keys first: who sees the schedule's new generation must find them.
        let changed = fetch != Fetch::Same && replace(shared, &self.place, answer.body)?;
        let schedule = self.schedule.succeed(shared, now, self.lifetime(&answer), changed, jitter)?;
        Ok((fetch, schedule))
    }

    /// How long keys are good: as the policy says, else as the answer does.
    fn lifetime(&self, answer: &Fetched<'_>) -> Duration {
        self.refresh.unwrap_or_else(|| {
            freshness(answer.cache_control.iter().copied()).map_or(REFRESH, |fresh| {
                let left = Duration::from_secs(fresh.as_secs().saturating_sub(answer.age));
                left.max(SHORTEST).min(self.max_stale)
            })
        })
    }
}

fn judge(answer: Option<Fetched<'_>>) -> Result<(Fetched<'_>, KeySet), Fetch> {
    let answer = answer.ok_or(Fetch::NoAnswer)?;
    if answer.status != 200 {
        return Err(Fetch::Status(answer.status));
    }
    if answer.body.len() > MOST_BYTES {
        return Err(Fetch::TooLarge);
    }
    let keys = KeySet::from_jwks(answer.body).map_err(Fetch::Unusable)?;
    Ok((answer, keys))
}

/// Writes a value over whatever is there, unless others always come before: then theirs is as new.
fn replace(shared: &dyn SharedData, key: &[u8], value: &[u8]) -> Result<bool, HostError> {
    for _ in 0..TRIES {
        let expect = match shared.read(key)? {
            Some(Shared { version, .. }) => Expect::Version(version),
            None => Expect::Absent,
        };
        match shared.write(key, value, expect) {
            Ok(()) => return Ok(true),
            // Only a worker whose fetch took longer than it may comes in between.
            Err(WriteError::Changed) => {}
            Err(WriteError::Host(error)) => return Err(error),
        }
    }
    Ok(false)
}
