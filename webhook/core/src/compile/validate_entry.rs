//! One validation entry, compiled.

use sallyport_policy::{Diagnostics, FieldPath};

use super::entry::{Deed, Words, check_pods, mode, only_one, warn_of_containers};
use super::{CompiledScope, Conditions};
use crate::mutate::Selection;
use crate::object::Reads;
use crate::resources::{ValidateEntry, WorkloadPolicySpec};
use crate::validate::{
    About, CelCheck, Images, NamedServiceAccount, PodSecurity, RequireTraffic, RequiredMetadata,
    RequiredProbes, RequiredSpread, ResourceBounds, Rule, SecretsInEnv,
};
use crate::{Mode, Source};

const WORDS: Words = Words { deed: "rule", example: "podSecurity", of_any_kind: "metadata and cel" };

/// A name, conditions and one rule.
#[derive(Debug)]
pub(crate) struct CompiledRule {
    pub(crate) source: Source,
    pub(crate) mode: Mode,
    /// Whether a request is refused when it can't be said whether it breaks the rule.
    pub(crate) fails_closed: bool,
    pub(crate) conditions: Conditions,
    pub(crate) selection: Selection,
    pub(crate) rule: Box<dyn Rule>,
    /// The metadata that the verdict depends on.
    pub(crate) reads: Reads,
}

impl CompiledRule {
    pub(super) fn compile(
        policy: &str,
        entry: &ValidateEntry,
        spec: &WorkloadPolicySpec,
        scope: &CompiledScope,
        path: &FieldPath,
        found: &mut Diagnostics,
    ) -> Option<Self> {
        let conditions = Conditions::compile(&entry.labels, entry.when.as_deref(), path, found);
        let (name, rule) = only_one(rules(entry, path, found), &WORDS, path, found)?;
        if rule.about() == About::Pods {
            check_pods(scope, &WORDS, path.field(name), found);
        }
        if entry.containers.is_some() && !rule.heeds_containers() {
            warn_of_containers(&WORDS, path, found);
        }
        let (mode, fails_closed) = mode(entry.mode, spec);
        let mut reads = rule.reads();
        reads.extend(&conditions.reads());
        Some(Self {
            source: Source::validation(policy, &entry.name),
            mode,
            fails_closed,
            conditions,
            selection: Selection::to_judge(entry.containers.as_ref()),
            rule,
            reads,
        })
    }
}

/// The rules that an entry gives, with the names of their fields.
fn rules(entry: &ValidateEntry, path: &FieldPath, found: &mut Diagnostics) -> Vec<Deed<Box<dyn Rule>>> {
    let mut rules: Vec<Deed<Box<dyn Rule>>> = Vec::new();
    if let Some(rule) = &entry.pod_security {
        let at = path.field("podSecurity");
        rules.push(("podSecurity", Box::new(PodSecurity::compile(rule, &at, found))));
    }
    if let Some(rule) = &entry.images {
        rules.push(("images", Box::new(Images::compile(rule, &path.field("images"), found))));
    }
    if let Some(rule) = &entry.metadata {
        rules.push(("metadata", Box::new(RequiredMetadata::compile(rule, &path.field("metadata"), found))));
    }
    if let Some(rule) = &entry.probes {
        rules.push(("probes", Box::new(RequiredProbes::compile(rule, &path.field("probes"), found))));
    }
    if let Some(rule) = &entry.resources {
        rules.push(("resources", Box::new(ResourceBounds::compile(rule, &path.field("resources"), found))));
    }
    if let Some(rule) = &entry.secrets_in_env {
        let at = path.field("secretsInEnv");
        rules.push(("secretsInEnv", Box::new(SecretsInEnv::compile(rule, &at, found))));
    }
    if let Some(rule) = &entry.service_account {
        let at = path.field("serviceAccount");
        rules.push(("serviceAccount", Box::new(NamedServiceAccount::compile(rule, &at, found))));
    }
    if let Some(rule) = &entry.spread {
        rules.push(("spread", Box::new(RequiredSpread::compile(rule, &path.field("spread"), found))));
    }
    if let Some(rule) = &entry.cel {
        rules.push(("cel", Box::new(CelCheck::compile(rule, &path.field("cel"), found))));
    }
    if let Some(rule) = &entry.require_traffic {
        let at = path.field("requireTraffic");
        rules.push(("requireTraffic", Box::new(RequireTraffic::compile(rule, &at, found))));
    }
    rules
}
