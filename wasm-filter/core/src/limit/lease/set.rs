//! One set of a table of leases: what is known of some keys. Of a key that finds no place nothing is known, and each of
//! its requests asks the service.

use super::cell::Cell;
use crate::host::Monotonic;
use crate::limit::bytes::Reader;
use crate::limit::key::Key;
use crate::limit::table::{Era, SLOTS};

const MAGIC: [u8; 4] = *b"SPl1";
const HEADER: usize = 8;
const SLOT: usize = 56;

/// One set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Set {
    pub(super) era: Era,
    slots: Vec<(Key, Cell)>,
}

impl Set {
    /// A set that knows nothing.
    pub(super) const fn empty(era: Era) -> Self {
        Self { era, slots: Vec::new() }
    }

    /// `None`: the value is not ours.
    pub(super) fn decode(value: &[u8]) -> Option<Self> {
        let mut reader = Reader(value);
        reader.skip(MAGIC)?;
        let mut set = Self::empty(Era(reader.u32()?));
        while !reader.is_empty() {
            if set.slots.len() == SLOTS {
                return None;
            }
            let key = Key(reader.u128()?);
            let cell = Cell {
                tokens: reader.u32()?,
                remaining: reader.u32()?,
                tokens_until: Monotonic(reader.u64()?),
                window_until: Monotonic(reader.u64()?),
                over_until: Monotonic(reader.u64()?),
                in_flight_until: Monotonic(reader.u64()?),
            };
            set.slots.push((key, cell));
        }
        Some(set)
    }

    /// Whether nothing in it holds any longer than until then.
    pub(super) fn ends_by(&self, latest: Monotonic) -> bool {
        self.slots.iter().all(|(_, cell)| cell.ends_by(latest))
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut value = Vec::with_capacity(HEADER + self.slots.len() * SLOT);
        value.extend_from_slice(&MAGIC);
        value.extend_from_slice(&self.era.0.to_le_bytes());
        for (key, cell) in &self.slots {
            value.extend_from_slice(&key.0.to_le_bytes());
            value.extend_from_slice(&cell.tokens.to_le_bytes());
            value.extend_from_slice(&cell.remaining.to_le_bytes());
            for time in [cell.tokens_until, cell.window_until, cell.over_until, cell.in_flight_until] {
                value.extend_from_slice(&time.0.to_le_bytes());
            }
        }
        value
    }

    /// What is known of a key.
    pub(super) fn find(&self, key: Key) -> Cell {
        self.slots.iter().find(|(of, _)| *of == key).map(|(_, cell)| *cell).unwrap_or_default()
    }

    /// Keeps what is known of a key, and forgets keys of which nothing holds any more. Whether there is room for it.
    pub(super) fn put(&mut self, key: Key, cell: Cell, now: Monotonic) -> bool {
        self.slots.retain(|(of, other)| *of != key && !other.has_passed(now));
        let has_room = self.slots.len() < SLOTS;
        if has_room {
            self.slots.push((key, cell));
        }
        has_room
    }
}
