//! Applies entries to an object until nothing changes any more.
//!
//! The API server may send an object here again after other webhooks changed it (reinvocation), so mutating twice
//! must be the same as mutating once. That does not depend on the care of each transformation alone: the engine
//! applies the entries to their own result, and an entry that would change it again is left out and reported.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::log::{Log, LoggedChange, LoggedSkip};
use super::transformation::{Phase, Subject};
use crate::Awaited;
use crate::compile::{CompiledEntry, Facts};
use crate::object::{Pod, PodBearing, Reach};
use crate::validate::MeshImages;

/// What is to be done to one object: entries in the order in which they apply.
pub(crate) struct Plan<'p> {
    pub(crate) entries: Vec<&'p CompiledEntry>,
    pub(crate) kind: Option<PodBearing>,
    pub(crate) reach: Reach<'p>,
    pub(crate) mesh_images: &'p MeshImages,
    pub(crate) awaited: Awaited<'p>,
}

impl<'p> Plan<'p> {
    fn subject<'o>(&self, object: &'o mut Value) -> Subject<'o>
    where
        'p: 'o,
    {
        Subject { object, kind: self.kind, reach: self.reach, mesh_images: self.mesh_images }
    }
}

/// The object as the entries leave it, and the log of how. Logged entries are positions in the plan.
pub(crate) struct Outcome {
    pub(crate) object: Value,
    pub(crate) changes: Vec<LoggedChange>,
    pub(crate) skips: Vec<LoggedSkip>,
    /// Entries of which it can't be said whether they apply, each once.
    pub(crate) failures: Vec<LoggedSkip>,
}

/// How often entries are applied to their own result: a condition may hang on what another entry set, and that on a
/// third. Longer chains than this are taken for endless ones.
const ROUNDS: usize = 4;

/// Why entries left no object.
enum Unsettled {
    /// These went on changing it.
    Restless(Vec<usize>),
    /// Nobody waits any more. This entry was next.
    Abandoned(usize),
}

/// Applies the plan's entries to `object`.
///
/// # Errors
/// When nobody waits for it any more: the entry that was next.
pub(crate) fn run(plan: &Plan<'_>, facts: &Facts<'_>, object: &Value) -> Result<Outcome, usize> {
    let mut left_out: Vec<LoggedSkip> = Vec::new();
    loop {
        let mut outcome = settle(plan, facts, object, &left_out);
        let (blamed, reasons) = match outcome {
            Ok(ref mut settled) => missing_volumes(plan, settled),
            Err(Unsettled::Restless(ref restless)) => {
                (restless.clone(), vec![RESTLESS.to_owned(); restless.len()])
            }
            Err(Unsettled::Abandoned(next)) => return Err(next),
        };
        // Every turn leaves out at least one entry more, so there are no more turns than entries.
        let before = left_out.len();
        for (entry, reason) in blamed.into_iter().zip(reasons) {
            if !left_out.iter().any(|skip| skip.entry == entry) {
                left_out.push(LoggedSkip { entry, path: String::new(), reason });
            }
        }
        match outcome {
            Ok(mut settled) if left_out.len() == before => {
                settled.skips.extend(left_out);
                return Ok(settled);
            }
            _ if left_out.len() == before => {
                // Nobody to blame, and yet no rest: the object stays as it was.
                return Ok(Outcome {
                    object: object.clone(),
                    changes: Vec::new(),
                    skips: left_out,
                    failures: Vec::new(),
                });
            }
            _ => {}
        }
    }
}

const RESTLESS: &str = "left out: applied to its own result it would change the object again";

/// Applies the entries until a round changes nothing, or names those that went on changing.
fn settle(
    plan: &Plan<'_>,
    facts: &Facts<'_>,
    object: &Value,
    left_out: &[LoggedSkip],
) -> Result<Outcome, Unsettled> {
    let mut current = object.clone();
    let (mut changes, mut skips) = (Vec::new(), Vec::new());
    let mut failures: Vec<LoggedSkip> = Vec::new();
    for round in 0..=ROUNDS {
        // Seldom does a second round change anything, so the first that does is not compared with what it found.
        let before = (round > 1).then(|| current.clone());
        let log = apply_once(plan, facts, &mut current, left_out).map_err(Unsettled::Abandoned)?;
        if !log.repeating.is_empty() {
            return Err(Unsettled::Restless(log.repeating));
        }
        let settled = log.changes.is_empty() || before.is_some_and(|before| before == current);
        if !settled && round == ROUNDS {
            return Err(Unsettled::Restless(restless(&log)));
        }
        skips.extend(log.skips);
        for failure in log.failures {
            if !failures.iter().any(|earlier| earlier.entry == failure.entry) {
                failures.push(failure);
            }
        }
        if settled && round > 0 {
            break;
        }
        changes.extend(log.changes);
        if settled {
            break;
        }
    }
    if current == *object {
        // What entries did to each other's work came to nothing.
        changes.clear();
    }
    let mut changes = joined(changes);
    let skips = standing(plan, skips, &changes);
    changes.retain(|change| change.before != change.after);
    Ok(Outcome { object: current, changes, skips, failures })
}

/// Changes that follow on each other are one, by the entry that made the last.
fn joined(changes: Vec<LoggedChange>) -> Vec<LoggedChange> {
    let paths: HashSet<&str> = changes.iter().map(|change| change.path.as_str()).collect();
    if paths.len() == changes.len() {
        return changes;
    }
    let mut joined: Vec<LoggedChange> = Vec::with_capacity(changes.len());
    let mut last: HashMap<String, usize> = HashMap::new();
    for mut change in changes {
        let earlier = last.get(&change.path).and_then(|at| joined.get_mut(*at));
        match earlier {
            Some(earlier) if earlier.after == change.before => {
                change.before = earlier.before.take();
                *earlier = change;
            }
            _ => {
                last.insert(change.path.clone(), joined.len());
                joined.push(change);
            }
        }
    }
    joined
}

/// The skips that later rounds did not make good, each once and with its latest reason. A patch that was applied is
/// not told that it can't be applied to its own result.
fn standing(plan: &Plan<'_>, skips: Vec<LoggedSkip>, changes: &[LoggedChange]) -> Vec<LoggedSkip> {
    if skips.is_empty() {
        return skips;
    }
    let changed: HashSet<(usize, &str)> = changes.iter().map(|c| (c.entry, c.path.as_str())).collect();
    let changing: HashSet<usize> = changes.iter().map(|change| change.entry).collect();
    let is_patch =
        |entry: usize| plan.entries.get(entry).is_some_and(|e| e.transformation.phase() == Phase::Patches);
    let mut seen: HashSet<(usize, &str)> = HashSet::new();
    let stands = |skip: &LoggedSkip| {
        let as_a_whole = skip.path.is_empty() || is_patch(skip.entry);
        !(changed.contains(&(skip.entry, skip.path.as_str()))
            || (as_a_whole && changing.contains(&skip.entry)))
    };
    let mut standing: Vec<bool> = Vec::with_capacity(skips.len());
    for skip in skips.iter().rev() {
        standing.push(seen.insert((skip.entry, skip.path.as_str())) && stands(skip));
    }
    let standing = standing.into_iter().rev();
    skips.into_iter().zip(standing).filter_map(|(skip, stands)| stands.then_some(skip)).collect()
}

/// The entries whose changes of one round did not cancel out.
fn restless(log: &Log) -> Vec<usize> {
    let mut spans: HashMap<&str, (&LoggedChange, &LoggedChange)> = HashMap::new();
    for change in &log.changes {
        spans.entry(&change.path).or_insert((change, change)).1 = change;
    }
    let came_to_nothing = |change: &LoggedChange| {
        spans
            .get(change.path.as_str())
            .is_some_and(|(first, last)| first.before.is_some() && first.before == last.after)
    };
    let mut entries: Vec<usize> =
        log.changes.iter().filter(|change| !came_to_nothing(change)).map(|change| change.entry).collect();
    if entries.is_empty() {
        entries = log.changes.iter().map(|change| change.entry).collect();
    }
    entries.sort_unstable();
    entries.dedup();
    entries
}

/// One round: containers are added first, then fields filled in, then patches applied. Where nobody waits for it any
/// more, the entry that was next.
fn apply_once(
    plan: &Plan<'_>,
    facts: &Facts<'_>,
    object: &mut Value,
    left_out: &[LoggedSkip],
) -> Result<Log, usize> {
    let mut log = Log::default();
    for phase in [Phase::Containers, Phase::Fields, Phase::Patches] {
        for (position, entry) in plan.entries.iter().enumerate() {
            if entry.transformation.phase() != phase || left_out.iter().any(|skip| skip.entry == position) {
                continue;
            }
            if !plan.awaited.is() {
                return Err(position);
            }
            log.enter(position);
            match entry.conditions.hold(facts, object, plan.kind) {
                Ok(false) => {}
                Err(error) => log.fail(format!("`when` can't be evaluated: {error}")),
                Ok(true) => {
                    let changes = log.changes.len();
                    let mut subject = plan.subject(object);
                    entry.transformation.apply(&entry.terms, &mut subject, &mut log);
                    if phase == Phase::Patches
                        && log.changes.len() > changes
                        && changes_again(entry, plan, facts, object)
                    {
                        log.repeating.push(position);
                    }
                }
            }
        }
    }
    Ok(log)
}

/// Whether a patch would change its own result. All else is made so that it does not.
fn changes_again(entry: &CompiledEntry, plan: &Plan<'_>, facts: &Facts<'_>, object: &Value) -> bool {
    if !entry.conditions.hold(facts, object, plan.kind).unwrap_or(false) {
        return false;
    }
    let mut again = object.clone();
    let mut subject = plan.subject(&mut again);
    entry.transformation.apply(&entry.terms, &mut subject, &mut Log::default());
    again != *object
}

/// The entries whose containers mount a volume that is not there; the API server would refuse such a pod.
fn missing_volumes(plan: &Plan<'_>, settled: &Outcome) -> (Vec<usize>, Vec<String>) {
    let Some(pod) = plan.kind.and_then(|kind| Pod::of(kind, &settled.object)) else {
        return Default::default();
    };
    let mut positions: Vec<usize> = settled
        .changes
        .iter()
        .map(|change| change.entry)
        .filter(|entry| {
            plan.entries.get(*entry).is_some_and(|e| e.transformation.phase() == Phase::Containers)
        })
        .collect();
    positions.sort_unstable();
    positions.dedup();
    positions
        .into_iter()
        .filter_map(|position| {
            let missing = plan.entries.get(position)?.transformation.missing_volume(pod.template())?;
            Some((position, format!("left out: {missing}")))
        })
        .unzip()
}
