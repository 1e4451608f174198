//! Counting a request by one limit, and taking that back.

use super::view::View;
use super::{Charge, Finding, Verdict};
use crate::host::{Clock, Expect, HostError, SharedData, WriteError};
use crate::limit::gcra::Tat;
use crate::limit::key::Key;
use crate::limit::set::{Place, Set};
use crate::limit::table::{ATTEMPTS, Era};

/// What a limit charged, so that it can be taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    address: Vec<u8>,
    era: Era,
    place: Place,
    key: Key,
    before: Tat,
    after: Tat,
}

pub(super) enum Counted {
    Charged(Receipt, Finding),
    Not(Finding),
}

/// Counts a request by compare-and-swap, from what was read before and then from what others wrote.
pub(super) fn count<'a>(
    shared: &dyn SharedData,
    clock: &dyn Clock,
    charge: &Charge<'a>,
    mut view: View<'a>,
) -> Result<Counted, HostError> {
    for _ in 0..ATTEMPTS {
        let Some(after) = view.after else { return Ok(Counted::Not(view.finding())) };
        view.set.put(view.place, charge.key, after, view.now);
        match shared.write(&view.address, &view.set.encode(), view.expect) {
            Ok(()) => {
                let standing = charge.limit.gcra.standing(after, view.now);
                let finding = Finding { standing, ..view.finding() };
                let receipt = Receipt {
                    address: view.address,
                    era: view.set.era,
                    place: view.place,
                    key: charge.key,
                    before: view.before,
                    after,
                };
                return Ok(Counted::Charged(receipt, finding));
            }
            Err(WriteError::Changed) => view = View::read(shared, clock, *charge, view.now)?,
            Err(WriteError::Host(error)) => return Err(error),
        }
    }
    // Whoever comes back after the time of one request finds the others gone.
    let wait = charge.limit.gcra.interval();
    Ok(Counted::Not(Finding { verdict: Verdict::Contended, wait, ..view.finding() }))
}

impl Receipt {
    pub(super) fn take_back(&self, shared: &dyn SharedData) {
        for _ in 0..ATTEMPTS {
            let Ok(Some(found)) = shared.read(&self.address) else { return };
            let Some(mut set) = Set::decode(&found.value) else { return };
            if set.era != self.era || !set.holds(self.place, self.key, self.after) {
                return;
            }
            set.put(self.place, self.key, self.before, set.latest);
            match shared.write(&self.address, &set.encode(), Expect::Version(found.version)) {
                Err(WriteError::Changed) => {}
                Ok(()) | Err(WriteError::Host(_)) => return,
            }
        }
    }
}
