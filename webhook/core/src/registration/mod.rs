//! What the API server has to ask about, so that the policies of a set have their say. It asks about nothing else, since
//! each call costs those who wait for it, and may be lost.

mod served;
mod wanted;

use std::collections::{BTreeMap, BTreeSet};

pub use served::Served;

use crate::Operation;
use crate::guard::is_attachment;
use crate::resources::FailurePolicy;
use crate::set::PolicySet;

/// One of the two calls that the API server makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Call {
    /// What an object is given.
    Mutate,
    /// What a request is refused for.
    Validate,
}

/// What the API server has to ask about in one call, for the policies of one `failurePolicy`: an entry of a webhook
/// configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registration {
    /// The rules (`webhooks[].rules`); none where nothing needs to be asked.
    pub rules: Vec<Rule>,
    /// The only namespaces that matter, where every policy names its own; `None` where all may.
    pub namespaces: Option<BTreeSet<String>>,
}

/// A rule of a webhook configuration, for all versions of its resources (`RuleWithOperations` of
/// admissionregistration.k8s.io/v1).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// `apiGroups`: one; the core group is empty.
    pub group: String,
    /// `resources`: `pods`, `pods/ephemeralcontainers`.
    pub resources: BTreeSet<String>,
    /// `operations`.
    pub operations: BTreeSet<Operation>,
}

/// What the API server, which serves these resources, has to ask about in this call for the policies of this
/// `failurePolicy`.
#[must_use]
pub fn registration(set: &PolicySet, call: Call, share: FailurePolicy, served: &[Served]) -> Registration {
    let policies = || set.policies().iter().filter(|policy| policy.failure_policy == share);
    let mut operations: BTreeMap<(&str, &str), BTreeSet<Operation>> = BTreeMap::new();
    let mut namespaces: Option<BTreeSet<String>> = Some(BTreeSet::new());
    for policy in policies() {
        let mut wants = false;
        for resource in served {
            let wanted: Vec<Operation> = match call {
                Call::Mutate => wanted::mutating(policy, resource).collect(),
                Call::Validate => wanted::validating(policy, resource).collect(),
            };
            wants |= !wanted.is_empty();
            if !wanted.is_empty() {
                let key = (resource.group.as_str(), resource.resource.as_str());
                operations.entry(key).or_default().extend(wanted);
            }
        }
        if wants {
            namespaces = namespaces.zip(policy.scope.only_namespaces()).map(|(mut all, named)| {
                all.extend(named.into_iter().map(str::to_owned));
                all
            });
        }
    }
    if call == Call::Mutate && share == FailurePolicy::Fail {
        for namespace in set.namespaces_of_keys() {
            operations.entry(("", "pods")).or_default().insert(Operation::Create);
            namespaces.iter_mut().for_each(|named| {
                named.insert(namespace.to_owned());
            });
        }
    }
    Registration { rules: rules(operations), namespaces }
}

/// The resources that attach the filter to proxies, as far as they are served: what the API server has to ask about so that
/// nobody else changes them. None while no TrafficPolicy is in force.
#[must_use]
pub fn attachments(set: &PolicySet, served: &[Served]) -> Vec<Rule> {
    let guarded = served.iter().filter(|resource| {
        !set.traffic().is_empty() && is_attachment(&resource.kind) && resource.sub_resource().is_empty()
    });
    let operations = |resource: &Served| {
        let all = [Operation::Create, Operation::Update, Operation::Delete].into_iter();
        all.filter(|operation| resource.allows(*operation)).collect()
    };
    rules(guarded.map(|it| ((it.group.as_str(), it.resource.as_str()), operations(it))).collect())
}

/// Resources of one group that are asked about for the same operations are one rule.
fn rules(wanted: BTreeMap<(&str, &str), BTreeSet<Operation>>) -> Vec<Rule> {
    let mut together: BTreeMap<(&str, BTreeSet<Operation>), BTreeSet<String>> = BTreeMap::new();
    for ((group, resource), operations) in wanted {
        together.entry((group, operations)).or_default().insert(resource.to_owned());
    }
    together
        .into_iter()
        .map(|((group, operations), resources)| Rule { group: group.to_owned(), resources, operations })
        .collect()
}
