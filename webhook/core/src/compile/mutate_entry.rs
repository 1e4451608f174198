//! One mutation entry, compiled.

use sallyport_policy::{Diagnostics, FieldPath};

use super::entry::{Deed, Words, check_pods, mode, only_one, warn_of_containers};
use super::{CompiledScope, Conditions};
use crate::mutate::{
    AddContainer, ApartFill, EnvFill, JsonPatch, MetadataFill, PriorityClass, ProbeFill, ProxyKeys,
    PullPolicy, ResourceFill, SchedulingFill, SecurityContextFill, Selection, SpreadFill, Terms,
    TokenAutomount, Transformation, WritablePaths,
};
use crate::resources::{MutateEntry, Strategy, WorkloadPolicySpec};
use crate::traffic::TrafficSelector;
use crate::{Mode, Source};

const WORDS: Words = Words { deed: "action", example: "securityContext", of_any_kind: "metadata and patch" };

/// A name, conditions and one transformation.
#[derive(Debug)]
pub(crate) struct CompiledEntry {
    pub(crate) source: Source,
    pub(crate) mode: Mode,
    /// Whether a request is refused when it can't be said whether the entry applies.
    pub(crate) fails_closed: bool,
    pub(crate) conditions: Conditions,
    pub(crate) terms: Terms,
    pub(crate) transformation: Box<dyn Transformation>,
}

impl CompiledEntry {
    pub(super) fn compile(
        policy: &str,
        entry: &MutateEntry,
        spec: &WorkloadPolicySpec,
        scope: &CompiledScope,
        path: &FieldPath,
        found: &mut Diagnostics,
    ) -> Option<Self> {
        let conditions = Conditions::compile(&entry.labels, entry.when.as_deref(), path, found);
        let (action, transformation) = only_one(actions(entry, path, found), &WORDS, path, found)?;
        if !transformation.applies_to_any_kind() {
            check_pods(scope, &WORDS, path.field(action), found);
        }
        let heeds = transformation.heeds();
        if entry.containers.is_some() && !heeds.containers {
            warn_of_containers(&WORDS, path, found);
        }
        if entry.strategy == Strategy::Override && !heeds.strategy {
            found.warn(path.field("strategy"), "has no effect: Override does no more than Default");
        }
        let (mode, fails_closed) = mode(entry.mode, spec);
        Some(Self {
            source: Source::mutation(policy, &entry.name),
            mode,
            fails_closed,
            conditions,
            terms: Terms { strategy: entry.strategy, selection: Selection::of(entry.containers.as_ref()) },
            transformation,
        })
    }
}

impl CompiledEntry {
    /// What a TrafficPolicy has its proxies given.
    pub(crate) fn of_traffic(policy: &TrafficSelector) -> Self {
        Self {
            source: Source::traffic(&policy.namespace, &policy.name),
            mode: Mode::Enforce,
            fails_closed: true,
            conditions: Conditions::default(),
            terms: Terms::default(),
            transformation: Box::new(ProxyKeys::of(policy)),
        }
    }
}

/// The actions that an entry gives, with the names of their fields.
fn actions(
    entry: &MutateEntry,
    path: &FieldPath,
    found: &mut Diagnostics,
) -> Vec<Deed<Box<dyn Transformation>>> {
    let mut actions: Vec<Deed<Box<dyn Transformation>>> = Vec::new();
    if let Some(contexts) = &entry.security_context {
        let at = path.field("securityContext");
        actions.push(("securityContext", Box::new(SecurityContextFill::compile(contexts, &at, found))));
    }
    if let Some(paths) = &entry.writable_paths {
        let at = path.field("writablePaths");
        actions.push(("writablePaths", Box::new(WritablePaths::compile(paths, &at, found))));
    }
    if let Some(metadata) = &entry.metadata {
        let at = path.field("metadata");
        actions.push(("metadata", Box::new(MetadataFill::compile(metadata, &at, found))));
    }
    if let Some(env) = &entry.env {
        actions.push(("env", Box::new(EnvFill::compile(env, &path.field("env"), found))));
    }
    if let Some(sidecar) = &entry.sidecar {
        actions.push(("sidecar", Box::new(AddContainer::sidecar(sidecar, &path.field("sidecar"), found))));
    }
    if let Some(init) = &entry.init_container {
        actions
            .push(("initContainer", Box::new(AddContainer::init(init, &path.field("initContainer"), found))));
    }
    if let Some(resources) = &entry.resources {
        let at = path.field("resources");
        actions.push(("resources", Box::new(ResourceFill::compile(resources, &at, found))));
    }
    if let Some(probes) = &entry.probes {
        actions.push(("probes", Box::new(ProbeFill::compile(probes, &path.field("probes"), found))));
    }
    if let Some(policy) = entry.image_pull_policy {
        if entry.strategy != Strategy::Override {
            found.error(
                path.field("imagePullPolicy"),
                "needs strategy: Override, because the API server has always filled it in already",
            );
        }
        actions.push(("imagePullPolicy", Box::new(PullPolicy::compile(policy))));
    }
    if let Some(scheduling) = &entry.scheduling {
        let at = path.field("scheduling");
        actions.push(("scheduling", Box::new(SchedulingFill::compile(scheduling, &at, found))));
    }
    if let Some(apart) = &entry.pod_anti_affinity {
        let at = path.field("podAntiAffinity");
        actions.push(("podAntiAffinity", Box::new(ApartFill::compile(apart, &at, found))));
    }
    if let Some(spread) = &entry.topology_spread {
        let at = path.field("topologySpread");
        actions.push(("topologySpread", Box::new(SpreadFill::compile(spread, &at, found))));
    }
    if let Some(automount) = entry.automount_service_account_token {
        actions.push(("automountServiceAccountToken", Box::new(TokenAutomount(automount))));
    }
    if let Some(class) = &entry.priority_class_name {
        let at = path.field("priorityClassName");
        actions.push(("priorityClassName", Box::new(PriorityClass::compile(class, &at, found))));
    }
    if let Some(operations) = &entry.patch {
        let patch = JsonPatch::compile(operations, entry.when.is_some(), &path.field("patch"), found);
        actions.push(("patch", Box::new(patch)));
    }
    actions
}
