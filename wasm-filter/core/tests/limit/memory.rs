//! A proxy's shared data and clock: one that fails when it is told to.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::num::NonZeroU32;

use sallyport_traffic::host::{
    Clock, Expect, HostError, Monotonic, Shared, SharedData, WallClock, WriteError,
};

/// Shared data, each access of which is one step.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    pub(crate) values: BTreeMap<Vec<u8>, Shared>,
    pub(crate) reads: usize,
    pub(crate) writes: usize,
    pub(crate) time: u64,
}

/// What goes wrong with an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The proxy fails and does nothing.
    Fails,
    /// The proxy fails, having done what it was asked.
    FailsAfterwards,
    /// Somebody else wrote the same value first.
    Changed,
}

pub(crate) const FAULTS: [Fault; 3] = [Fault::Fails, Fault::FailsAfterwards, Fault::Changed];

fn error(call: &'static str) -> HostError {
    HostError { call, status: 10 }
}

impl Memory {
    pub(crate) fn read(&mut self, key: &[u8], fault: Option<Fault>) -> Result<Option<Shared>, HostError> {
        self.reads += 1;
        match fault {
            Some(Fault::Fails | Fault::FailsAfterwards) => Err(error("read shared data")),
            Some(Fault::Changed) | None => Ok(self.values.get(key).cloned()),
        }
    }

    pub(crate) fn write(
        &mut self,
        key: &[u8],
        value: &[u8],
        expect: Expect,
        fault: Option<Fault>,
    ) -> Result<(), WriteError> {
        self.writes += 1;
        if fault == Some(Fault::Fails) {
            return Err(error("write shared data").into());
        }
        let found = self.values.get_mut(key);
        if fault == Some(Fault::Changed) {
            if let Some(found) = found {
                found.version = found.version.saturating_add(1);
            }
            return Err(WriteError::Changed);
        }
        match (found, expect) {
            (None, Expect::Absent) => {
                self.values.insert(key.to_vec(), Shared { value: value.to_vec(), version: NonZeroU32::MIN });
            }
            (Some(found), Expect::Version(version)) if found.version == version => {
                *found = Shared { value: value.to_vec(), version: version.saturating_add(1) };
            }
            _ => return Err(WriteError::Changed),
        }
        if fault.is_some() { Err(error("write shared data").into()) } else { Ok(()) }
    }

    /// The only value whose address holds this text.
    pub(crate) fn only(&mut self, text: &str) -> &mut Shared {
        let holds = |key: &[u8]| key.windows(text.len()).any(|part| part == text.as_bytes());
        let mut found = self.values.iter_mut().filter(|(key, _)| holds(key) && !key.ends_with(b"era"));
        let (_, value) = found.next().expect("there is such a value");
        assert!(found.next().is_none(), "there are more");
        value
    }
}

/// A proxy with one worker.
#[derive(Debug, Default)]
pub(crate) struct Proxy {
    pub(crate) memory: RefCell<Memory>,
    /// What goes wrong with the next accesses, the first last.
    pub(crate) faults: RefCell<Vec<Option<Fault>>>,
    /// How far its clock goes on by itself each time it is read.
    pub(crate) tick: Cell<u64>,
}

impl Proxy {
    pub(crate) fn at(time: u64) -> Self {
        let proxy = Self::default();
        proxy.memory.borrow_mut().time = time;
        proxy
    }

    pub(crate) fn advance(&self, nanos: u64) {
        self.memory.borrow_mut().time += nanos;
    }

    pub(crate) fn now(&self) -> Monotonic {
        Monotonic(self.memory.borrow().time)
    }
}

impl SharedData for Proxy {
    fn read(&self, key: &[u8]) -> Result<Option<Shared>, HostError> {
        let fault = self.faults.borrow_mut().pop().flatten();
        self.memory.borrow_mut().read(key, fault)
    }

    fn write(&self, key: &[u8], value: &[u8], expect: Expect) -> Result<(), WriteError> {
        let fault = self.faults.borrow_mut().pop().flatten();
        self.memory.borrow_mut().write(key, value, expect, fault)
    }
}

impl Clock for Proxy {
    fn monotonic(&self) -> Monotonic {
        self.advance(self.tick.get());
        self.now()
    }

    fn wall(&self) -> WallClock {
        panic!("limits do not ask for the wall clock")
    }
}
