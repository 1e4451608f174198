//! Compiles a WorkloadPolicy into an immutable form, or says everything that is wrong with it.

mod built_in_kinds;
mod conditions;
mod entry;
mod kind_pattern;
mod mutate_entry;
mod own_images;
mod scope;
mod validate_entry;

use std::collections::HashSet;
use std::sync::Arc;

use sallyport_policy::{Diagnostics, FieldPath, Segment, check_dns_label, check_dns_subdomain};

pub(crate) use conditions::Conditions;
pub(crate) use kind_pattern::KindPattern;
pub(crate) use mutate_entry::CompiledEntry;
use own_images::warn_of_own_images;
use scope::Purpose;
pub(crate) use scope::{CompiledScope, Facts};
pub(crate) use validate_entry::CompiledRule;

use crate::object::Reads;
use crate::resources::{ControllerHandling, ExceptionRules, FailurePolicy, WorkloadPolicySpec};
use crate::validate::{About, RequireTraffic};
use crate::{List, Mode, NAMESPACES_OUT_OF_REACH, Source};

/// A WorkloadPolicy that is right, ready to decide with.
#[derive(Debug)]
pub struct Policy {
    pub(crate) name: Arc<str>,
    pub(crate) priority: i32,
    /// As the policy says, or as its modes do.
    pub(crate) failure_policy: FailurePolicy,
    given_failure_policy: Option<FailurePolicy>,
    pub(crate) controllers: ControllerHandling,
    pub(crate) scope: CompiledScope,
    pub(crate) exclude: Option<Box<CompiledScope>>,
    pub(crate) mutations: Box<[CompiledEntry]>,
    pub(crate) rules: Box<[CompiledRule]>,
    /// The metadata that decides whether the policy is about an object.
    pub(crate) reads: Reads,
    pub(crate) exceptions: ExceptionRules,
}

impl Policy {
    /// Compiles a policy. Gives the findings too: only warnings beside a policy, errors where there is none.
    #[must_use]
    pub fn compile(name: &str, spec: &WorkloadPolicySpec) -> (Option<Self>, Diagnostics) {
        let mut found = Diagnostics::default();
        if let Err(wrong) = check_dns_subdomain(name) {
            found.error(FieldPath::of("metadata.name"), wrong.to_string());
        }
        let path = FieldPath::of("spec");
        let scope = CompiledScope::compile(&spec.matches, Purpose::Match, &path.field("match"), &mut found);
        if spec.matches.kinds.is_empty() {
            found.error(path.field("match").field("kinds"), "expected at least one kind, such as Pod");
        }
        let exclude = spec.exclude.as_ref().map(|exclude| {
            let at = path.field("exclude");
            let compiled = CompiledScope::compile(exclude, Purpose::Exclude, &at, &mut found);
            if compiled.is_empty() {
                found.error(at, "an empty exclude would exclude everything; leave it out");
            }
            Box::new(compiled)
        });
        if spec.mutate.is_empty() && spec.validate.is_empty() {
            found.error(path.clone(), "the policy does nothing; give entries under mutate or validate");
        }
        check_entry_names(
            spec.mutate.iter().map(|entry| entry.name.as_str()),
            &path.field("mutate"),
            &mut found,
        );
        check_entry_names(
            spec.validate.iter().map(|entry| entry.name.as_str()),
            &path.field("validate"),
            &mut found,
        );

        let mutations: Box<[CompiledEntry]> = spec
            .mutate
            .iter()
            .enumerate()
            .filter_map(|(i, entry)| {
                let at = entry_path(&path.field("mutate"), i, &entry.name);
                CompiledEntry::compile(name, entry, spec, &scope, &at, &mut found)
            })
            .collect();
        let rules: Box<[CompiledRule]> = spec
            .validate
            .iter()
            .enumerate()
            .filter_map(|(i, entry)| {
                let at = entry_path(&path.field("validate"), i, &entry.name);
                CompiledRule::compile(name, entry, spec, &scope, &at, &mut found)
            })
            .collect();
        let for_pods = mutations.iter().any(|entry| !entry.transformation.applies_to_any_kind())
            || rules.iter().any(|rule| rule.rule.about() == About::Pods);
        scope.tell_doubtful_kinds(&spec.matches.kinds, for_pods, &path.field("match"), &mut found);
        if let (Some(scope), Some(exclude)) = (&spec.exclude, &exclude) {
            exclude.tell_doubtful_kinds(&scope.kinds, false, &path.field("exclude"), &mut found);
        }
        let mut reads = scope.reads();
        exclude.iter().for_each(|exclude| reads.extend(&exclude.reads()));
        warn_of_own_images(&mutations, &rules, &path, &mut found);
        warn_of_shared_names(spec, &path, &mut found);
        warn_of_evasion(spec, &path, &mut found);
        warn_of_namespaces(spec, &path, &mut found);

        let policy = (!found.has_errors()).then(|| Self {
            name: name.into(),
            priority: spec.priority,
            failure_policy: failure_policy(spec.failure_policy, &mutations, &rules),
            given_failure_policy: spec.failure_policy,
            controllers: spec.controllers,
            scope,
            exclude,
            mutations,
            rules,
            reads,
            exceptions: spec.exceptions.clone(),
        });
        (policy, found)
    }

    /// Whether a decision may depend on `metadata.managedFields`, as far as can be told.
    pub(crate) fn reads_managed_fields(&self) -> bool {
        let mutations = self.mutations.iter();
        self.reads.managed_fields
            || self.rules.iter().any(|rule| rule.reads.managed_fields)
            || mutations.map(|entry| (&entry.conditions, &entry.transformation)).any(
                |(conditions, transformation)| {
                    conditions.reads().managed_fields || transformation.reads_managed_fields()
                },
            )
    }

    /// The policy's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the API server is to do with matching requests when no answer comes.
    #[must_use]
    pub fn failure_policy(&self) -> FailurePolicy {
        self.failure_policy
    }

    /// Its entries with their modes: the mutations, then the validations.
    pub fn entries(&self) -> impl Iterator<Item = (&Source, Mode)> {
        let mutations = self.mutations.iter().map(|entry| (&entry.source, entry.mode));
        mutations.chain(self.rules.iter().map(|rule| (&rule.source, rule.mode)))
    }

    /// The entry that a PolicyException means by `name`, `mutate/name` or `validate/name`. One name is one entry: where
    /// both lists have it, the bare name is the validation, since an exception asks to be let in.
    #[must_use]
    pub fn entry_named(&self, written: &str) -> Option<&Source> {
        let (lists, name): (&[List], _) = match written.split_once('/') {
            Some(("mutate", name)) => (&[List::Mutate], name),
            Some(("validate", name)) => (&[List::Validate], name),
            _ => (&[List::Validate, List::Mutate], written),
        };
        lists.iter().find_map(|list| {
            self.entries()
                .map(|(source, _)| source)
                .find(|source| source.list == *list && *source.entry == *name)
        })
    }

    /// Puts every entry in force.
    pub(crate) fn enforce(&mut self) {
        let closed = self.given_failure_policy != Some(FailurePolicy::Ignore);
        for entry in &mut self.mutations {
            (entry.mode, entry.fails_closed) = (Mode::Enforce, closed);
        }
        for rule in &mut self.rules {
            (rule.mode, rule.fails_closed) = (Mode::Enforce, closed);
        }
        self.failure_policy = failure_policy(self.given_failure_policy, &self.mutations, &self.rules);
    }

    /// Its entries in mode Enforce that ask for TrafficPolicies, each with what it asks for.
    pub(crate) fn requirements(&self) -> impl Iterator<Item = (&CompiledRule, &RequireTraffic)> {
        let enforced = self.rules.iter().filter(|rule| rule.mode == Mode::Enforce);
        enforced.filter_map(|rule| Some((rule, rule.rule.required_traffic()?)))
    }

    /// How many mutation entries the policy has.
    #[must_use]
    pub fn mutations(&self) -> usize {
        self.mutations.len()
    }

    /// Whether the policy refuses anything: one of its validation entries is in mode Enforce.
    #[must_use]
    pub fn enforces(&self) -> bool {
        self.rules.iter().any(|rule| rule.mode == Mode::Enforce)
    }

    /// How many validation entries the policy has.
    #[must_use]
    pub fn validations(&self) -> usize {
        self.rules.len()
    }
}

fn entry_path(list: &FieldPath, index: usize, name: &str) -> FieldPath {
    list.then(if name.is_empty() { Segment::Index(index) } else { Segment::Named(name.to_owned()) })
}

/// Where nothing is given: nothing is refused for the sake of a policy that refuses nothing itself.
fn failure_policy(
    given: Option<FailurePolicy>,
    mutations: &[CompiledEntry],
    rules: &[CompiledRule],
) -> FailurePolicy {
    let mut modes = mutations.iter().map(|entry| entry.mode).chain(rules.iter().map(|rule| rule.mode));
    given.unwrap_or_else(|| {
        if modes.any(|mode| mode == Mode::Enforce) { FailurePolicy::Fail } else { FailurePolicy::Ignore }
    })
}

/// Names are unique in their list.
fn check_entry_names<'n>(names: impl Iterator<Item = &'n str>, list: &FieldPath, found: &mut Diagnostics) {
    let mut seen = HashSet::new();
    for (i, name) in names.enumerate() {
        let at = list.index(i).field("name");
        if let Err(wrong) = check_dns_label(name) {
            found.error(at, wrong.to_string());
        } else if !seen.insert(name) {
            found.error(at, format!("another entry of this list is called `{name}`"));
        }
    }
}

/// What is said of an entry, `policy/entry`, names no list.
fn warn_of_shared_names(spec: &WorkloadPolicySpec, path: &FieldPath, found: &mut Diagnostics) {
    let mutations: HashSet<&str> = spec.mutate.iter().map(|entry| entry.name.as_str()).collect();
    for (i, entry) in spec.validate.iter().enumerate() {
        if mutations.contains(entry.name.as_str()) {
            found.warn(
                path.field("validate").index(i).field("name"),
                "an entry of mutate has this name too, and messages name no list; a PolicyException that names none \
                 means this one",
            );
        }
    }
}

/// Tenants write their objects' labels: a policy that enforces by them can be evaded by leaving one out.
fn warn_of_evasion(spec: &WorkloadPolicySpec, path: &FieldPath, found: &mut Diagnostics) {
    let by_label = spec.matches.object_selector.as_ref().is_some_and(|selector| !selector.is_empty());
    if by_label && !spec.validate.is_empty() {
        found.warn(
            path.field("match").field("objectSelector"),
            "who writes the object writes its labels, so its author can step out of this policy's validation",
        );
    }
}

/// A policy that names a namespace out of reach does less than its author thinks.
fn warn_of_namespaces(spec: &WorkloadPolicySpec, path: &FieldPath, found: &mut Diagnostics) {
    for (i, name) in spec.matches.namespaces.iter().enumerate() {
        if NAMESPACES_OUT_OF_REACH.contains(&name.as_str()) {
            let at = path.field("match").field("namespaces").index(i);
            found.warn(
                at,
                format!(
                    "{name} is out of every policy's reach, so that the control plane can always restart"
                ),
            );
        }
    }
}
