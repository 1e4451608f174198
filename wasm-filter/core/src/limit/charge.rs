//! Several limits on one request: all are consulted, and charged only if all admit.

use std::time::Duration;

use super::gcra::{Gcra, Standing};
use super::key::Key;
use super::table::Table;
use crate::host::{Clock, HostError, Monotonic, SharedData};

mod count;
mod view;

pub use count::Receipt;
use count::{Counted, count};
use view::View;

/// A limit that this proxy counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalLimit {
    /// How often.
    pub gcra: Gcra,
    /// Where its counts are.
    pub table: Table,
}

/// One limit that a request falls under.
#[derive(Clone, Copy, Debug)]
pub struct Charge<'a> {
    /// The limit.
    pub limit: &'a LocalLimit,
    /// What it counts apart.
    pub key: Key,
    /// As how many requests this one counts.
    pub requests: u32,
    /// Whether it refuses.
    pub effect: Effect,
}

/// Whether a limit refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// A request over the limit is refused.
    Enforce,
    /// A request over the limit is reported, and not counted.
    Shadow,
}

/// What all limits together say of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Of the limits that refuse, the place of the one with the longest wait. `None`: the request is admitted.
    pub refused_by: Option<usize>,
    /// What each limit says, in the order of the charges.
    pub findings: Vec<Finding>,
    /// What was charged; nothing unless the request is admitted.
    pub receipts: Vec<Receipt>,
}

/// What one limit says of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it says.
    pub verdict: Verdict,
    /// When: as the worker read the clock, or later, if another counted with a later reading of it.
    pub at: Monotonic,
    /// What the key has left: with the request, if it was charged.
    pub standing: Standing,
    /// How long until a request like this one would be admitted; zero for one that is. [`Duration::MAX`] if never: it
    /// counts for more than a burst.
    pub wait: Duration,
}

/// What a limit says of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It is within the limit.
    Within,
    /// It is over the limit.
    Over,
    /// Its key has no place of its own, and what all such keys share is used up.
    Full,
    /// Other workers wrote first every time, so that it could not be counted, and is not admitted.
    Contended,
}

/// Asks all limits without charging any: one read a limit. `now` is what the clock said when the request was first looked
/// at; it is read again where another worker has counted since.
///
/// # Errors
/// The proxy failed.
pub fn peek(
    shared: &dyn SharedData,
    clock: &dyn Clock,
    now: Monotonic,
    charges: &[Charge<'_>],
) -> Result<Outcome, HostError> {
    let views = look(shared, clock, now, charges)?;
    Ok(outcome(charges, views.iter().map(View::finding).collect()))
}

/// Asks all limits, and charges each one that admits if all do: one read and one write a limit, unless other workers
/// write at the same time. A refused request writes nothing. `now` is as for [`peek`].
///
/// When a limit refuses that had admitted a moment before, what was charged until then is taken back as [`take_back`]
/// does.
///
/// # Errors
/// The proxy failed. What was charged is taken back where the proxy lets it.
pub fn charge(
    shared: &dyn SharedData,
    clock: &dyn Clock,
    now: Monotonic,
    charges: &[Charge<'_>],
) -> Result<Outcome, HostError> {
    let views = look(shared, clock, now, charges)?;
    let mut outcome = outcome(charges, views.iter().map(View::finding).collect());
    if outcome.refused_by.is_some() {
        return Ok(outcome);
    }
    let before = outcome.findings.clone();
    for (at, ((charge, view), finding)) in
        charges.iter().zip(views).zip(outcome.findings.iter_mut()).enumerate()
    {
        match count(shared, clock, charge, view) {
            Ok(Counted::Charged(receipt, found)) => {
                outcome.receipts.push(receipt);
                *finding = found;
            }
            Ok(Counted::Not(found)) => {
                *finding = found;
                if charge.effect == Effect::Enforce {
                    outcome.refused_by = Some(at);
                    break;
                }
            }
            Err(error) => {
                take_back(shared, &outcome.receipts);
                return Err(error);
            }
        }
    }
    if let Some(refusing) = outcome.refused_by {
        take_back(shared, &outcome.receipts);
        outcome.receipts.clear();
        for (at, (finding, before)) in outcome.findings.iter_mut().zip(before).enumerate() {
            if at != refusing {
                *finding = before;
            }
        }
    }
    Ok(outcome)
}

/// Takes back what a request was charged that is not admitted after all. Only where that is exact: where somebody
/// counted the key since, the charge stays, and less is admitted rather than more.
pub fn take_back(shared: &dyn SharedData, receipts: &[Receipt]) {
    for receipt in receipts {
        receipt.take_back(shared);
    }
}

fn look<'a>(
    shared: &dyn SharedData,
    clock: &dyn Clock,
    now: Monotonic,
    charges: &[Charge<'a>],
) -> Result<Vec<View<'a>>, HostError> {
    charges.iter().map(|charge| View::read(shared, clock, *charge, now)).collect()
}

fn outcome(charges: &[Charge<'_>], findings: Vec<Finding>) -> Outcome {
    let refused_by = charges
        .iter()
        .zip(&findings)
        .enumerate()
        .filter(|(_, (charge, finding))| {
            charge.effect == Effect::Enforce && finding.verdict != Verdict::Within
        })
        .max_by_key(|(_, (_, finding))| finding.wait)
        .map(|(at, _)| at);
    Outcome { refused_by, findings, receipts: Vec::new() }
}
