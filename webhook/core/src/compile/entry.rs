//! What is the same of a mutation and a validation: each does exactly one thing, to kinds that can have it, in a mode.

use sallyport_policy::{Diagnostics, FieldPath};

use super::CompiledScope;
use crate::Mode;
use crate::resources::{FailurePolicy, WorkloadPolicySpec};

/// What an entry does: an action or a rule, with the name of its field.
pub(super) type Deed<T> = (&'static str, T);

/// The words of an entry for what it does.
pub(super) struct Words {
    /// One of them: `action`.
    pub(super) deed: &'static str,
    /// The field of one: `securityContext`.
    pub(super) example: &'static str,
    /// Those that any kind can have: `metadata and patch`.
    pub(super) of_any_kind: &'static str,
}

/// The one thing that an entry does; the last, where it is wrong and does several.
pub(super) fn only_one<T>(
    mut deeds: Vec<Deed<T>>,
    words: &Words,
    path: &FieldPath,
    found: &mut Diagnostics,
) -> Option<Deed<T>> {
    if deeds.len() != 1 {
        let names: Vec<&str> = deeds.iter().map(|(name, _)| *name).collect();
        let given =
            if names.is_empty() { "has none".to_owned() } else { format!("has {}", names.join(" and ")) };
        let Words { deed, example, .. } = words;
        let message = format!("an entry has exactly one {deed}, such as {example}; this one {given}");
        found.error(path.clone(), message);
    }
    deeds.pop()
}

/// Says so where what is done to pods can be done to none of the policy's kinds.
pub(super) fn check_pods(scope: &CompiledScope, words: &Words, path: FieldPath, found: &mut Diagnostics) {
    if !scope.may_hold_pod() {
        let takes = words.of_any_kind;
        found.error(path, format!("none of the policy's kinds holds a pod; other kinds take only {takes}"));
    }
}

/// Says so where containers are selected for what is not about containers.
pub(super) fn warn_of_containers(words: &Words, path: &FieldPath, found: &mut Diagnostics) {
    let deed = words.deed;
    let whole = format!("has no effect: the {deed} is about the object as a whole");
    found.warn(path.field("containers"), whole);
}

/// The mode of an entry, and whether it refuses what it can't decide about.
pub(super) fn mode(own: Option<Mode>, spec: &WorkloadPolicySpec) -> (Mode, bool) {
    let mode = own.unwrap_or(spec.mode);
    (mode, mode == Mode::Enforce && spec.failure_policy != Some(FailurePolicy::Ignore))
}
