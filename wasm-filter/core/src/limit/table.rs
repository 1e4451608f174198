//! A table of fixed size in shared data, one for each limit.
//!
//! Shared data never forgets a key, so a table has a fixed number of sets, one shared value each, and a set a fixed
//! number of slots. What clients send chooses among these and makes no more. All plugins of a proxy may share one memory
//! (that of an empty vm_id), so addresses name the policy and the limit.
//!
//! Which parameters a set was counted by is told by its era, a number that [`Table::open`] moves on when a limit
//! changes. A set of an era before starts afresh; one of a later era is left as it is, for whoever finds it is about to
//! be replaced, and would otherwise undo each count of its successor while both drain requests.

use std::hash::Hasher as _;

use siphasher::sip128::SipHasher24;
use thiserror::Error;

use super::bytes::Reader;
use super::key::{Key, write_parts};
use crate::host::{Expect, HostError, SharedData, WriteError};

/// How many sets a table has.
pub const SETS: u16 = 1024;
/// How many slots a set has. Together 16,384 keys can be in use at a time, at most half a MiB for each limit.
pub const SLOTS: usize = 16;
/// How often a write is tried against those of other workers. Each attempt that fails is one of another worker that
/// succeeded, so this is more workers than ever write at once.
pub const ATTEMPTS: usize = 64;

const MAGIC: [u8; 4] = *b"SPe1";

/// Where the sets of one limit are, and which era it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    prefix: Vec<u8>,
    era: Era,
}

/// Which parameters of a limit a set was counted by: every change of them begins another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Era(pub u32);

/// What a table counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TableName<'a> {
    /// The policy's namespace.
    pub namespace: &'a str,
    /// The policy's name.
    pub policy: &'a str,
    /// The limit's name.
    pub limit: &'a str,
    /// What of the limit is in this table.
    pub use_: TableUse,
}

/// What of a limit is in a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TableUse {
    /// Its counts.
    Counts,
    /// What a service leased.
    Leases,
}

/// Why a table can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TableError {
    /// The proxy failed.
    #[error(transparent)]
    Host(#[from] HostError),
    /// Other workers wrote first, every time.
    #[error("other workers wrote first, {ATTEMPTS} times")]
    Contended,
}

impl Table {
    /// The table of a limit, which all workers open when they are configured. `parameters` are all that its counts
    /// depend on: when they are those of before, counts are kept, and else start afresh.
    ///
    /// # Errors
    /// The proxy failed, or others wrote all the time.
    pub fn open(
        shared: &dyn SharedData,
        name: TableName<'_>,
        parameters: &[&[u8]],
    ) -> Result<Self, TableError> {
        let prefix = name.prefix();
        let fingerprint = fingerprint(parameters);
        let address = [prefix.as_slice(), b"era"].concat();
        for _ in 0..ATTEMPTS {
            let found = shared.read(&address)?;
            let last = found.as_ref().and_then(|found| decode(&found.value));
            if let Some((era, of)) = last
                && of == fingerprint
            {
                return Ok(Self { prefix, era });
            }
            let era = Era(last.map_or(1, |(era, _)| era.0.saturating_add(1)));
            let expect = found.map_or(Expect::Absent, |found| Expect::Version(found.version));
            match shared.write(&address, &encode(era, fingerprint), expect) {
                Ok(()) => return Ok(Self { prefix, era }),
                Err(WriteError::Changed) => {}
                Err(WriteError::Host(error)) => return Err(error.into()),
            }
        }
        Err(TableError::Contended)
    }

    /// The address of the set that a key belongs to.
    pub(super) fn address(&self, key: Key) -> Vec<u8> {
        // Fewer than 2^16: a remainder by SETS.
        let set = (key.0 % u128::from(SETS)) as u16;
        let mut address = Vec::with_capacity(self.prefix.len() + 2);
        address.extend_from_slice(&self.prefix);
        address.extend_from_slice(&set.to_le_bytes());
        address
    }

    pub(super) const fn era(&self) -> Era {
        self.era
    }
}

impl TableName<'_> {
    /// What all addresses of the table begin with. Lengths tell its parts apart, whatever is in them.
    fn prefix(&self) -> Vec<u8> {
        let mut prefix = b"sallyport/limit".to_vec();
        for part in [self.namespace, self.policy, self.limit, self.use_.name()] {
            prefix.push(b'/');
            prefix.extend_from_slice(part.len().to_string().as_bytes());
            prefix.push(b':');
            prefix.extend_from_slice(part.as_bytes());
        }
        prefix.push(b'/');
        prefix
    }
}

impl TableUse {
    const fn name(self) -> &'static str {
        match self {
            Self::Counts => "counts",
            Self::Leases => "leases",
        }
    }
}

/// Tells parameters from others; no client chooses them, so the hash needs no secret.
fn fingerprint(parameters: &[&[u8]]) -> u64 {
    let mut hasher = SipHasher24::new();
    write_parts(&mut hasher, parameters.iter().copied());
    hasher.finish()
}

fn encode(era: Era, fingerprint: u64) -> Vec<u8> {
    let mut value = MAGIC.to_vec();
    value.extend_from_slice(&era.0.to_le_bytes());
    value.extend_from_slice(&fingerprint.to_le_bytes());
    value
}

fn decode(value: &[u8]) -> Option<(Era, u64)> {
    let mut reader = Reader(value);
    reader.skip(MAGIC)?;
    let read = (Era(reader.u32()?), reader.u64()?);
    reader.is_empty().then_some(read)
}
