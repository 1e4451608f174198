//! Finds where entries set the same field to different values.
//!
//! Which of them is in force is never in doubt (the first under Default, the last under Override), so a conflict is
//! a warning: one of the entries does not do what its author thinks.

use std::collections::HashMap;
use std::sync::Arc;

use sallyport_policy::{Diagnostic, FieldPath};
use serde_json::Value;

use crate::compile::{CompiledEntry, Policy};
use crate::resources::Strategy;
use crate::{Mode, Source};

/// One setting: an entry and the value that it gives a field.
struct Setting<'p> {
    policy: &'p Policy,
    entry: &'p CompiledEntry,
    value: Value,
}

/// Two entries that contradict each other.
#[derive(Debug)]
pub struct Conflict<'p> {
    /// The entry that the finding is about: the one that has its way less than its author thinks.
    pub loser: &'p Source,
    /// The finding.
    pub diagnostic: Diagnostic,
    /// The entry that has its way.
    pub winner: &'p Source,
}

/// As many findings as anybody reads.
const MOST: usize = 100;

/// Every conflict.
pub(super) fn find(policies: &[Arc<Policy>]) -> Vec<Conflict<'_>> {
    let mut by_field: HashMap<String, Vec<Setting<'_>>> = HashMap::new();
    let mut found = Vec::new();
    for policy in policies {
        for entry in policy.mutations.iter().filter(|entry| entry.mode == Mode::Enforce) {
            for (field, value) in entry.transformation.sets() {
                let settings = by_field.entry(field.clone()).or_default();
                for earlier in settings.iter() {
                    if found.len() >= MOST {
                        return found;
                    }
                    found.extend(conflict(&field, earlier, policy, entry, &value));
                }
                settings.push(Setting { policy, entry, value });
            }
        }
    }
    found
}

fn conflict<'p>(
    field: &str,
    earlier: &Setting<'p>,
    policy: &'p Policy,
    entry: &'p CompiledEntry,
    value: &Value,
) -> Option<Conflict<'p>> {
    // An Override after a Default is how one says that something is meant.
    let strategies = (earlier.entry.terms.strategy, entry.terms.strategy);
    let meant = matches!(strategies, (Strategy::Default, Strategy::Override));
    let container = field.starts_with("container.");
    if meant
        || earlier.value == *value
        || earlier.entry.conditions.has_expression()
        || entry.conditions.has_expression()
        || earlier.entry.conditions.exclude_each_other(&entry.conditions)
        || (container && !earlier.entry.terms.selection.overlaps(&entry.terms.selection))
        || !earlier.policy.scope.may_overlap(&policy.scope)
    {
        return None;
    }
    let (first, last) = ((&earlier.entry.source, &earlier.value), (&entry.source, value));
    let ((loser, loses), (winner, wins), rule) = match strategies {
        (Strategy::Override, Strategy::Override) => (first, last, "the last wins"),
        (Strategy::Override, Strategy::Default) => (last, first, "it overrides"),
        _ => (last, first, "the first wins"),
    };
    let path = FieldPath::of("spec.mutate").named(loser.entry.to_string());
    let message = match (brief(wins), brief(loses)) {
        (Some(wins), Some(loses)) => {
            format!("sets {field} to {loses}, {winner} to {wins} on the same objects, and {rule}")
        }
        _ => format!("{winner} sets {field} to something else on the same objects, and {rule}"),
    };
    Some(Conflict { loser, diagnostic: Diagnostic::warning(path, message), winner })
}

/// A value as a sentence can hold it; `None` where it is too long for one.
fn brief(value: &Value) -> Option<String> {
    const MOST: usize = 60;
    Some(value.to_string()).filter(|text| text.chars().count() <= MOST)
}
