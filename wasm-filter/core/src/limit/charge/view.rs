//! What a limit's set says of a key at a time.

use std::time::Duration;

use super::{Charge, Finding, Verdict};
use crate::host::{Clock, Expect, HostError, Monotonic, Shared, SharedData};
use crate::limit::gcra::Tat;
use crate::limit::set::{Place, Set};

pub(super) struct View<'a> {
    pub(super) charge: Charge<'a>,
    pub(super) address: Vec<u8>,
    pub(super) expect: Expect,
    pub(super) set: Set,
    /// The time that the request is counted at.
    pub(super) now: Monotonic,
    pub(super) place: Place,
    /// The key's TAT before.
    pub(super) before: Tat,
    /// Its TAT after, if the limit admits the request.
    pub(super) after: Option<Tat>,
}

impl<'a> View<'a> {
    /// Reads the set that a request is counted in. One that is not ours is mended at once, since a refusal would
    /// otherwise leave it as it is.
    pub(super) fn read(
        shared: &dyn SharedData,
        clock: &dyn Clock,
        charge: Charge<'a>,
        now: Monotonic,
    ) -> Result<Self, HostError> {
        let address = charge.limit.table.address(charge.key);
        let found = shared.read(&address)?;
        let expect = found.as_ref().map_or(Expect::Absent, |found| Expect::Version(found.version));
        let (set, now) = match current(found, clock, charge, now) {
            Ok(set) => (set, now.max(set.latest)),
            Err(now) => {
                let set = Set::spent(charge.limit.table.era(), &charge.limit.gcra, now);
                // Whoever writes first mends it. If nobody can, the next request tries.
                let _ = shared.write(&address, &set.encode(), expect);
                (set, now)
            }
        };
        let (place, before) = set.find(charge.key, now);
        let after = charge.limit.gcra.admit(before, now, charge.requests);
        Ok(Self { charge, address, expect, set, now, place, before, after })
    }

    pub(super) fn finding(&self) -> Finding {
        let gcra = &self.charge.limit.gcra;
        let wait = match self.after {
            Some(_) => Duration::ZERO,
            None => gcra.wait(self.before, self.now, self.charge.requests).unwrap_or(Duration::MAX),
        };
        Finding {
            verdict: match (self.after, self.place) {
                (Some(_), _) => Verdict::Within,
                (None, Place::Slot(_)) => Verdict::Over,
                (None, Place::Overflow) => Verdict::Full,
            },
            at: self.now,
            standing: gcra.standing(self.before, self.now),
            wait,
        }
    }
}

/// The set as it is to be counted on; or the time, where its value is not ours.
fn current(
    found: Option<Shared>,
    clock: &dyn Clock,
    charge: Charge<'_>,
    now: Monotonic,
) -> Result<Set, Monotonic> {
    let era = charge.limit.table.era();
    let Some(found) = found else { return Ok(Set::empty(era, now)) };
    let mut set = Set::decode(&found.value).ok_or(now)?;
    if set.latest > now {
        // Another worker may have written since our clock was read, but not later than now.
        let now = clock.monotonic();
        if set.latest > now {
            return Err(now);
        }
    }
    if set.era < era {
        return Ok(Set::empty(era, set.latest));
    }
    if set.era == era {
        set.bound(&charge.limit.gcra);
    }
    Ok(set)
}
