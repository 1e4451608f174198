//! TrafficPolicies that workloads need.
//!
//! Which pods there are is not known here. So policies are held against each other: where an entry that enforces asks for
//! traffic policies, a TrafficPolicy may go once another is certain to do the same for every pod that it selects.

use sallyport_policy::Selector;

use crate::compile::{CompiledRule, Policy};
use crate::set::PolicySet;
use crate::traffic::TrafficSelector;
use crate::{Finding, Namespace, Operation, Request};

/// Who empties a namespace that is being deleted.
pub const NAMESPACE_CONTROLLER: &str = "system:serviceaccount:kube-system:namespace-controller";

/// What is wrong with an UPDATE or a DELETE of a TrafficPolicy: a finding for each entry that asks for what it gives, where
/// nothing else is certain to give it. `becomes` is what it is after the request, and `namespace` what is known of its
/// namespace.
#[must_use]
pub fn ended_selections(
    set: &PolicySet,
    request: &Request,
    namespace: Option<&Namespace>,
    becomes: Option<&TrafficSelector>,
) -> Vec<Finding> {
    let is_it =
        |policy: &&TrafficSelector| policy.namespace == request.namespace && policy.name == request.name;
    // Its pods go with the namespace.
    let is_ending = namespace.is_some_and(|namespace| namespace.terminating)
        || request.user_info.username == NAMESPACE_CONTROLLER;
    let ends = matches!(request.operation, Operation::Update | Operation::Delete) && !is_ending;
    let Some(now) = set.traffic().iter().find(is_it).filter(|now| ends && now.enforced) else {
        return Vec::new();
    };
    let stay: Vec<&TrafficSelector> =
        set.traffic().iter().filter(|policy| !is_it(policy)).chain(becomes).collect();
    let mut findings = Vec::new();
    for (policy, rule, requirement) in set.requirements() {
        let Some(needy) = needy(policy, rule, now, namespace) else { continue };
        for (has, what) in requirement.asked() {
            let covers = |other: &&TrafficSelector| {
                let reaches = other.mesh_wide || (!now.mesh_wide && other.namespace == now.namespace);
                let selector = other.selector.as_ref();
                reaches
                    && other.enforced
                    && has(other)
                    && selector.is_some_and(|selector| selector.covers(&needy))
            };
            if has(now) && !stay.iter().any(covers) {
                let message = format!(
                    "found no other TrafficPolicy in mode Enforce that is certain to give every pod that this one selects \
                     {what}, which this entry requires; wanted one with the same or a wider selector first, or the \
                     requirement taken back"
                );
                let path = if request.operation == Operation::Delete { "" } else { "spec" };
                findings.push(Finding {
                    source: rule.source.clone(),
                    mode: rule.mode,
                    path: path.to_owned(),
                    message,
                });
            }
        }
    }
    findings
}

/// The pods that the TrafficPolicy selects and the entry is about, as far as labels say; `None` where there can be none.
fn needy(
    policy: &Policy,
    rule: &CompiledRule,
    now: &TrafficSelector,
    namespace: Option<&Namespace>,
) -> Option<Selector> {
    if !now.mesh_wide {
        let is_spared = |namespace: &Namespace| {
            policy.exclude.as_ref().is_some_and(|exclude| exclude.holds_all_pods_of(namespace))
        };
        if !policy.scope.may_hold_pods_of(&now.namespace, namespace) || namespace.is_some_and(is_spared) {
            return None;
        }
    }
    let asked = rule.conditions.selector();
    let asked = policy.scope.object_selector.iter().fold(asked, |asked, selector| asked.and(selector));
    let selector = now.selector.as_ref()?;
    (!selector.excludes(&asked)).then(|| selector.and(&asked))
}
