//! One set of a table of counts: the TATs of some keys, and one TAT that all others share.
//!
//! What holds of each key, whatever happens to its set: its TAT, which is its slot's if it has one and the overflow's
//! otherwise, never goes back. A slot is given to another key only when its TAT has passed, and a key that gets one
//! starts from the overflow's TAT, by which it may have been counted until then. Time does not go back either: a worker
//! whose clock was read before the set's last change counts from that change on.

use std::iter::Take;
use std::slice::Iter;

use super::bytes::Reader;
use super::gcra::{Gcra, Tat};
use super::key::Key;
use super::table::{Era, SLOTS};
use crate::host::Monotonic;

const MAGIC: [u8; 4] = *b"SPg1";
const HEADER: usize = 24;
const SLOT: usize = 24;

/// One set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Set {
    pub(super) era: Era,
    /// The time of the last change.
    pub(super) latest: Monotonic,
    /// The TAT of all keys without a slot.
    overflow: Tat,
    /// One whose TAT has passed is free.
    slots: [Slot; SLOTS],
    /// None behind so many was ever used.
    used: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Slot {
    key: Key,
    tat: Tat,
}

/// Where a key is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Slot(usize),
    Overflow,
}

impl Set {
    /// A set that counts nothing yet.
    pub(super) fn empty(era: Era, latest: Monotonic) -> Self {
        Self { era, latest, overflow: Tat::default(), slots: [Slot::default(); SLOTS], used: 0 }
    }

    /// As if each key had just used its whole burst.
    ///
    /// This is what takes the place of a value that is not ours. To refuse for as long as it is there would refuse for
    /// ever, since nobody deletes it; to start afresh would admit a second burst. So a key gets back what it would have,
    /// at the limit's rate.
    pub(super) fn spent(era: Era, gcra: &Gcra, now: Monotonic) -> Self {
        Self { overflow: gcra.spent(now), ..Self::empty(era, now) }
    }

    /// `None`: the value is not ours.
    pub(super) fn decode(value: &[u8]) -> Option<Self> {
        let mut reader = Reader(value);
        reader.skip(MAGIC)?;
        let mut set = Self::empty(Era(reader.u32()?), Monotonic(reader.u64()?));
        set.overflow = Tat(Monotonic(reader.u64()?));
        for slot in &mut set.slots {
            if reader.is_empty() {
                break;
            }
            *slot = Slot { key: Key(reader.u128()?), tat: Tat(Monotonic(reader.u64()?)) };
            set.used += 1;
        }
        reader.is_empty().then_some(set)
    }

    /// Without the slots at the end whose TAT has passed: a limit without a key has one slot, and writes no more.
    pub(super) fn encode(&self) -> Vec<u8> {
        let used = self.used().rposition(|slot| slot.tat.0 > self.latest).map_or(0, |last| last + 1);
        let mut value = Vec::with_capacity(HEADER + used * SLOT);
        value.extend_from_slice(&MAGIC);
        value.extend_from_slice(&self.era.0.to_le_bytes());
        value.extend_from_slice(&self.latest.0.to_le_bytes());
        value.extend_from_slice(&self.overflow.0.0.to_le_bytes());
        for slot in self.slots.iter().take(used) {
            value.extend_from_slice(&slot.key.0.to_le_bytes());
            value.extend_from_slice(&slot.tat.0.0.to_le_bytes());
        }
        value
    }

    /// Takes no TAT for later than this limit, whose era the set is of, can make one. The limit of the era before could,
    /// and its last requests may still be counted.
    pub(super) fn bound(&mut self, gcra: &Gcra) {
        let furthest = gcra.spent(self.latest);
        self.overflow = self.overflow.min(furthest);
        for slot in self.slots.iter_mut().take(self.used) {
            slot.tat = slot.tat.min(furthest);
        }
    }

    /// Where a key is to be counted now, and its TAT so far.
    pub(super) fn find(&self, key: Key, now: Monotonic) -> (Place, Tat) {
        let mut free = None;
        for (at, slot) in self.used().enumerate() {
            if slot.key == key && slot.tat != Tat::default() {
                return (Place::Slot(at), slot.tat);
            }
            if free.is_none() && slot.tat.0 <= now {
                free = Some(at);
            }
        }
        let unused = Some(self.used).filter(|unused| *unused < SLOTS);
        (free.or(unused).map_or(Place::Overflow, Place::Slot), self.overflow)
    }

    fn used(&self) -> Take<Iter<'_, Slot>> {
        self.slots.iter().take(self.used)
    }

    /// Counts a key at a place that `find` found. `now` is not before the last change.
    pub(super) fn put(&mut self, place: Place, key: Key, tat: Tat, now: Monotonic) {
        self.latest = now;
        match place {
            Place::Overflow => self.overflow = tat,
            Place::Slot(at) => {
                if let Some(slot) = self.slots.get_mut(at) {
                    *slot = Slot { key, tat };
                    self.used = self.used.max(at + 1);
                }
            }
        }
    }

    /// Whether the key still stands where it was put, with exactly the TAT that it was put with: then nobody counted it
    /// since, or took back what he counted.
    pub(super) fn holds(&self, place: Place, key: Key, tat: Tat) -> bool {
        match place {
            Place::Overflow => self.overflow == tat,
            Place::Slot(at) => self.slots.get(at) == Some(&Slot { key, tat }),
        }
    }
}
