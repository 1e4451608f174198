//! A proxy for tests: shared data that loses as many races as it is told to.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::num::NonZeroU32;

use super::{Expect, HostError, Shared, SharedData, WriteError};

#[derive(Default)]
pub(crate) struct Model {
    values: RefCell<BTreeMap<Vec<u8>, Shared>>,
    lost_races: Cell<usize>,
}

impl Model {
    /// The next so many writes come too late.
    pub(crate) fn lose_races(&self, times: usize) {
        self.lost_races.set(times);
    }
}

impl SharedData for Model {
    fn read(&self, key: &[u8]) -> Result<Option<Shared>, HostError> {
        Ok(self.values.borrow().get(key).cloned())
    }

    fn write(&self, key: &[u8], value: &[u8], expect: Expect) -> Result<(), WriteError> {
        if let Some(left) = self.lost_races.get().checked_sub(1) {
            self.lost_races.set(left);
            return Err(WriteError::Changed);
        }
        let mut values = self.values.borrow_mut();
        let version = match (values.get(key), expect) {
            (None, Expect::Absent) => NonZeroU32::MIN,
            (Some(shared), Expect::Version(version)) if shared.version == version => {
                version.checked_add(1).unwrap()
            }
            _ => return Err(WriteError::Changed),
        };
        values.insert(key.to_vec(), Shared { value: value.to_vec(), version });
        Ok(())
    }
}
