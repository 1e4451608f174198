//! What every transformation is.

use serde_json::Value;

use super::log::Log;
use crate::object::{ContainerMut, Fields, PodBearing, PodMut, Reach, is_mesh_container};
use crate::resources::{ContainerType, Containers, Strategy};
use crate::validate::MeshImages;
use sallyport_policy::Glob;

/// Within an object, containers are added first, then fields are filled in all of them, then patches are applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Containers,
    Fields,
    Patches,
}

/// One action of a mutation entry, compiled.
pub(crate) trait Transformation: Send + Sync + std::fmt::Debug {
    /// When it is its turn.
    fn phase(&self) -> Phase {
        Phase::Fields
    }

    /// Whether it applies to objects that hold no pod.
    fn applies_to_any_kind(&self) -> bool {
        false
    }

    /// Whether it looks at who set which field.
    fn reads_managed_fields(&self) -> bool {
        false
    }

    /// Which of an entry's terms make a difference to it; most are about the pod as a whole.
    fn heeds(&self) -> Heeds {
        Heeds { containers: false, strategy: true }
    }

    /// Changes the subject and logs it. Doing it twice must change nothing the second time.
    fn apply(&self, terms: &Terms, subject: &mut Subject<'_>, log: &mut Log);

    /// What a container that it added mounts in vain, once everything is done; such a pod would be invalid.
    fn missing_volume(&self, _template: &Fields) -> Option<String> {
        None
    }

    /// The container that it adds, as rules about images would see it.
    fn brings_image(&self) -> Option<BroughtImage<'_>> {
        None
    }

    /// The fields that it sets and to what: where two policies differ about one, that is a conflict.
    fn sets(&self) -> Vec<(String, Value)>;
}

/// A container that a transformation adds, and the field of the entry that says so.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BroughtImage<'t> {
    pub(crate) action: &'static str,
    pub(crate) kind: ContainerType,
    pub(crate) name: &'t str,
    pub(crate) image: &'t str,
}

/// The terms that make a difference to a transformation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heeds {
    pub(crate) containers: bool,
    pub(crate) strategy: bool,
}

impl Heeds {
    /// What is done to each selected container, as the strategy says.
    pub(crate) const BOTH: Self = Self { containers: true, strategy: true };
}

/// How an entry wants its action done.
#[derive(Clone, Debug, Default)]
pub(crate) struct Terms {
    pub(crate) strategy: Strategy,
    pub(crate) selection: Selection,
}

/// Which containers an entry is about.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    names: Vec<Glob>,
    types: Vec<ContainerType>,
}

/// The types of container that a mutation entry changes when it names none.
const CHANGED_BY_DEFAULT: [ContainerType; 3] =
    [ContainerType::Container, ContainerType::Init, ContainerType::Sidecar];

/// The types of container that a validation entry judges when it names none: all of them.
const JUDGED_BY_DEFAULT: [ContainerType; 4] =
    [ContainerType::Container, ContainerType::Init, ContainerType::Sidecar, ContainerType::Ephemeral];

impl Default for Selection {
    fn default() -> Self {
        Self { names: Vec::new(), types: CHANGED_BY_DEFAULT.to_vec() }
    }
}

impl Selection {
    /// What a mutation entry is about.
    pub(crate) fn of(containers: Option<&Containers>) -> Self {
        Self::default().narrowed_to(containers)
    }

    /// What a validation entry is about.
    pub(crate) fn to_judge(containers: Option<&Containers>) -> Self {
        Self { names: Vec::new(), types: JUDGED_BY_DEFAULT.to_vec() }.narrowed_to(containers)
    }

    fn narrowed_to(self, containers: Option<&Containers>) -> Self {
        let mut selection = self;
        if let Some(containers) = containers {
            selection.names = containers.names.iter().map(|name| Glob::from(name.as_str())).collect();
            if !containers.types.is_empty() {
                selection.types.clone_from(&containers.types);
            }
        }
        selection
    }

    /// Whether the entry changes such a container; a mesh's own it never does.
    pub(crate) fn selects(&self, kind: ContainerType, name: &str) -> bool {
        !is_mesh_container(name) && self.judges(kind, name)
    }

    /// Whether the entry judges such a container.
    pub(crate) fn judges(&self, kind: ContainerType, name: &str) -> bool {
        self.types.contains(&kind)
            && (self.names.is_empty() || self.names.iter().any(|glob| glob.matches(name)))
    }

    /// Whether a container may be selected by both.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        let literal = |names: &[Glob]| {
            names.iter().map(|n| n.is_literal().map(str::to_owned)).collect::<Option<Vec<_>>>()
        };
        let names_disjoint = match (literal(&self.names), literal(&other.names)) {
            (Some(a), Some(b)) if !a.is_empty() && !b.is_empty() => !a.iter().any(|name| b.contains(name)),
            _ => false,
        };
        !names_disjoint && self.types.iter().any(|kind| other.types.contains(kind))
    }
}

/// The object that is being changed.
pub(crate) struct Subject<'o> {
    pub(crate) object: &'o mut Value,
    pub(crate) kind: Option<PodBearing>,
    pub(crate) reach: Reach<'o>,
    /// The images of a mesh's own containers.
    pub(crate) mesh_images: &'o MeshImages,
}

impl Subject<'_> {
    /// The object's pod; what is logged from now on is about it.
    pub(crate) fn pod(&mut self, log: &mut Log) -> Option<PodMut<'_>> {
        let kind = self.kind?;
        log.within(kind.prefix());
        PodMut::of(kind, self.object, self.reach)
    }

    /// The pod, where fields of the pod itself may be changed.
    pub(crate) fn whole_pod(&mut self, log: &mut Log) -> Option<PodMut<'_>> {
        self.pod(log).filter(PodMut::is_whole)
    }
}

/// Calls `each` with every container of the pod that the entry is about.
pub(crate) fn for_each_selected(pod: &mut PodMut<'_>, terms: &Terms, mut each: impl FnMut(ContainerMut<'_>)) {
    pod.for_each_container(|container| {
        if terms.selection.selects(container.kind, &container.path.name) {
            each(container);
        }
    });
}
