//! Labels of a pod that are changed so that no TrafficPolicy selects it any more.
//!
//! A pod may be in the reach of an entry by the very labels that it loses, or the policy may be about creations only: then
//! the entry says nothing of the change. But the pod was let in because it was selected.

use serde_json::Value;

use super::{exception, matching, subject};
use crate::compile::Facts;
use crate::object::{Pod, PodBearing};
use crate::set::PolicySet;
use crate::validate::RequireTraffic;
use crate::{Context, Finding, Operation, Request};

/// A finding for each entry that required a TrafficPolicy of the pod as it was, and had it, and has it no more.
pub(super) fn ended_selections(set: &PolicySet, request: &Request, context: &Context<'_>) -> Vec<Finding> {
    let is_pod = PodBearing::of(&request.kind) == Some(PodBearing::Pod);
    let pods = || Some((labelled(&request.old_object)?, labelled(&request.object)?));
    let Some((old, new)) = pods().filter(|_| is_pod && request.operation == Operation::Update) else {
        return Vec::new();
    };
    let namespace = request.namespace.as_str();
    let is_met = |requirement: &RequireTraffic, pod: Pod<'_>| {
        requirement.is_met(set.traffic(), namespace, |key| pod.label(key))
    };
    let lost = |requirement: &RequireTraffic| is_met(requirement, old) && !is_met(requirement, new);
    if !["", "status"].contains(&request.sub_resource.as_str())
        || !set.requirements().any(|(_, _, requirement)| lost(requirement))
    {
        return Vec::new();
    }
    let creation = Request {
        operation: Operation::Create,
        sub_resource: String::new(),
        object: request.old_object.clone(),
        old_object: Value::Null,
        ..request.clone()
    };
    let facts = Facts::new(&creation, context.namespace);
    let mut findings = Vec::new();
    // Where it can't be said whether a policy is about the pod, it has refused to let it in, or said that it would not.
    for policy in matching(set, &facts, context, |_, _| {}) {
        for (rule, requirement) in policy.requirements() {
            let held = rule.conditions.hold(&facts, &creation.object, Some(PodBearing::Pod)).unwrap_or(false);
            if held
                && lost(requirement)
                && exception(set, policy, &rule.source, &[subject(request)], context.now).is_none()
            {
                findings.push(Finding {
                    source: rule.source.clone(),
                    mode: rule.mode,
                    path: "metadata.labels".to_owned(),
                    message: "found labels by which no TrafficPolicy with what is required selects the pod any more; \
                              wanted those by which it was let in, or a new pod"
                        .to_owned(),
                });
            }
        }
    }
    findings
}

fn labelled(object: &Value) -> Option<Pod<'_>> {
    Pod::of(PodBearing::Pod, object)
}
