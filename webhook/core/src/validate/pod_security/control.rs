//! What a control of the standards is, and which of them are in force.

use super::fields::PodFields;
use super::findings::Findings;
use super::version::Version;

/// A control: a demand that the standards make on pods, as one check upstream has it.
#[derive(Debug)]
pub(super) struct Control {
    /// The check's identifier upstream, with which messages end.
    pub(super) id: &'static str,
    /// The lowest level that has it.
    pub(super) level: Level,
    /// What it demands, by ascending version. Before the first it demands nothing.
    pub(super) revisions: &'static [Revision],
}

/// The levels that refuse anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Baseline,
    Restricted,
}

/// What a control demands from some version on.
#[derive(Debug)]
pub(super) struct Revision {
    /// The first version that it is in.
    pub(super) since: Version,
    pub(super) check: Check,
    /// The controls of the level below that it takes the place of.
    pub(super) overrides: &'static [&'static str],
    /// What the annotations begin with that the check reads.
    pub(super) annotations: &'static [&'static str],
}

/// Reports what is wrong with a pod.
pub(super) type Check = fn(&PodFields<'_>, &mut Findings<'_>);

impl Revision {
    /// A revision that came with Kubernetes 1.`minor`.
    pub(super) const fn since(minor: u32, check: Check) -> Self {
        Self { since: Version(minor), check, overrides: &[], annotations: &[] }
    }

    /// The same, in the place of these controls of the level below.
    pub(super) const fn overriding(self, overrides: &'static [&'static str]) -> Self {
        Self { overrides, ..self }
    }

    /// The same, reading the annotations that begin so.
    pub(super) const fn reading(self, annotations: &'static [&'static str]) -> Self {
        Self { annotations, ..self }
    }
}

impl Control {
    fn at(&self, version: Version) -> Option<&Revision> {
        self.revisions.iter().rev().find(|revision| revision.since <= version)
    }
}

/// The controls that a level has in a version, in the order of `controls`.
pub(super) fn in_force<'c>(
    controls: &[&'c Control],
    level: Level,
    version: Version,
) -> Vec<(&'c Control, &'c Revision)> {
    let of = |control: &'c Control| Some((control, control.at(version)?));
    let mut found: Vec<_> = controls
        .iter()
        .filter(|control| level == Level::Restricted || control.level == Level::Baseline)
        .filter_map(|control| of(control))
        .collect();
    let overridden: Vec<&str> = found.iter().flat_map(|(_, revision)| revision.overrides).copied().collect();
    found.retain(|(control, _)| !overridden.contains(&control.id));
    found
}
