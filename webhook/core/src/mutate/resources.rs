//! Fills in resource requests and limits, each resource by itself.
//!
//! A resource that the API server's LimitRanger filled in counts as unset: its annotation
//! `kubernetes.io/limit-ranger` names it. A request that static defaulting copied from the author's limit counts as set.

use std::collections::{BTreeMap, BTreeSet};

use sallyport_policy::{Diagnostics, FieldPath, Quantity};
use serde_json::{Value, json};

use super::log::{Dotted, Log};
use super::transformation::{Heeds, Subject, Terms, Transformation, for_each_selected};
use crate::object::{ContainerList, ContainerMut, ContainerPath, Fields, Pod, get, get_object};
use crate::resources::{ContainerType, Resources, Strategy};

const LIMIT_RANGER: &str = "kubernetes.io/limit-ranger";

/// Requests and limits by resource.
#[derive(Debug)]
pub(crate) struct ResourceFill {
    requests: BTreeMap<String, Amount>,
    limits: BTreeMap<String, Amount>,
}

#[derive(Debug)]
struct Amount {
    quantity: Quantity,
    value: Value,
}

impl ResourceFill {
    pub(crate) fn compile(resources: &Resources, path: &FieldPath, found: &mut Diagnostics) -> Self {
        if resources.requests.is_empty() && resources.limits.is_empty() {
            found.error(path.clone(), "nothing to fill in; give requests or limits");
        }
        for (resource, request) in &resources.requests {
            if let Some(limit) = resources.limits.get(resource)
                && request > limit
            {
                let at = path.field("requests").key(resource);
                found.error(at, format!("the request {request} is above the limit {limit}"));
            }
        }
        for (part, amounts) in [("requests", &resources.requests), ("limits", &resources.limits)] {
            for (resource, amount) in amounts.iter().filter(|(_, amount)| amount.is_negative()) {
                let at = path.field(part).key(resource);
                found.error(at, format!("found {amount}; expected at least 0"));
            }
        }
        let named: BTreeSet<&String> = resources.requests.keys().chain(resources.limits.keys()).collect();
        for resource in named {
            if equal_only(resource).is_some()
                && resources.requests.get(resource) != resources.limits.get(resource)
            {
                let at = path.field("limits").key(resource);
                let written =
                    |amount: Option<&Quantity>| amount.map_or("none".to_owned(), Quantity::to_string);
                let (request, limit) = (resources.requests.get(resource), resources.limits.get(resource));
                let (request, limit) = (written(request), written(limit));
                found.error(
                    at,
                    format!("found request {request} and limit {limit}; {resource} needs both, and equal"),
                );
            }
        }
        let amounts = |given: &BTreeMap<String, Quantity>| {
            let amount = |quantity: &Quantity| Amount { quantity: *quantity, value: json!(quantity) };
            given.iter().map(|(resource, quantity)| (resource.clone(), amount(quantity))).collect()
        };
        Self { requests: amounts(&resources.requests), limits: amounts(&resources.limits) }
    }

    fn parts(&self) -> [(&'static str, &'static str, &BTreeMap<String, Amount>); 2] {
        [("requests", "request", &self.requests), ("limits", "limit", &self.limits)]
    }

    fn fill_container(&self, facts: &PodFacts, terms: &Terms, container: ContainerMut<'_>, log: &mut Log) {
        let ContainerMut { fields, path, .. } = container;
        for (part, singular, amounts) in self.parts() {
            for (resource, amount) in amounts {
                let now = get(fields, &["resources", part, resource]);
                let defaulted = facts.limit_ranged(&path, resource, singular);
                let place = Dotted(&path, &["resources", part, resource]);
                // LimitRanger's annotation stays, so what one entry gave such a field is kept from the next.
                let is_set = now.is_some() && (!defaulted || log.is_claimed(&place));
                if is_set && terms.strategy == Strategy::Default {
                    continue;
                }
                if now.and_then(quantity).is_some_and(|now| now == amount.quantity) {
                    log.claim(&place);
                    continue;
                }
                // A request is measured by the limit that this entry sets next, if it does.
                let replaces = terms.strategy == Strategy::Override
                    || get(fields, &["resources", "limits", resource]).is_none()
                    || (facts.limit_ranged(&path, resource, "limit")
                        && !log.is_claimed(Dotted(&path, &["resources", "limits", resource])));
                let next = self.limits.get(resource).filter(|_| replaces).map(|limit| limit.quantity);
                match objection(facts, fields, resource, part, amount.quantity, next) {
                    Some(reason) => log.skip(&place, reason),
                    None => {
                        log.set(fields, &["resources", part, resource], &amount.value, &path);
                        log.claim(&place);
                    }
                }
            }
        }
    }
}

impl Transformation for ResourceFill {
    fn heeds(&self) -> Heeds {
        Heeds::BOTH
    }

    fn apply(&self, terms: &Terms, subject: &mut Subject<'_>, log: &mut Log) {
        // Resources of ephemeral containers can't be set at all.
        let Some(mut pod) = subject.whole_pod(log) else { return };
        let Some(facts) = pod.read().map(PodFacts::of) else { return };
        for_each_selected(&mut pod, terms, |container| {
            if container.kind != ContainerType::Ephemeral {
                self.fill_container(&facts, terms, container, log);
            }
        });
    }

    fn sets(&self) -> Vec<(String, Value)> {
        self.parts()
            .into_iter()
            .flat_map(|(part, _, amounts)| {
                amounts.iter().map(move |(r, a)| (format!("container.resources.{part}.{r}"), a.value.clone()))
            })
            .collect()
    }
}

/// What of a pod bears on its containers' resources.
struct PodFacts {
    limit_ranger: Vec<LimitRanged>,
    /// The pod's own resources (KEP-2837), which bound those of its containers.
    pod_level: Fields,
}

/// A request or limit that LimitRanger filled in.
#[derive(Debug, PartialEq, Eq)]
struct LimitRanged {
    resource: String,
    /// `request` or `limit`.
    singular: String,
    is_init: bool,
    container: String,
}

impl PodFacts {
    fn of(pod: Pod<'_>) -> Self {
        Self {
            limit_ranger: pod.annotation(LIMIT_RANGER).map(limit_ranged).unwrap_or_default(),
            pod_level: get_object(pod.spec(), &["resources"]).cloned().unwrap_or_default(),
        }
    }

    fn limit_ranged(&self, path: &ContainerPath, resource: &str, singular: &str) -> bool {
        self.limit_ranger.iter().any(|filled| {
            filled.container == path.name
                && filled.is_init == (path.list == ContainerList::Init)
                && filled.resource == resource
                && filled.singular == singular
        })
    }
}

/// Reads LimitRanger's annotation:
/// `LimitRanger plugin set: cpu, memory request for container api; cpu limit for init container migrate`.
fn limit_ranged(annotation: &str) -> Vec<LimitRanged> {
    let mut filled = Vec::new();
    let Some((_, list)) = annotation.split_once("set:") else { return filled };
    for part in list.split(';') {
        let Some((what, whom)) = part.split_once(" for ") else { continue };
        let (is_init, name) = if let Some(name) = whom.trim().strip_prefix("init container ") {
            (true, name)
        } else if let Some(name) = whom.trim().strip_prefix("container ") {
            (false, name)
        } else {
            continue;
        };
        let Some((resources, singular)) = what.trim().rsplit_once(' ') else { continue };
        filled.extend(resources.split(',').map(|resource| LimitRanged {
            resource: resource.trim().to_owned(),
            singular: singular.to_owned(),
            is_init,
            container: name.trim().to_owned(),
        }));
    }
    filled
}

fn quantity(value: &Value) -> Option<Quantity> {
    serde_json::from_value(value.clone()).ok()
}

/// Why this request or limit is better left alone: a request may not be above its limit (core validation,
/// ValidateResourceRequirements), nor either above the pod's own. `next` is the limit that is to follow a request.
fn objection(
    facts: &PodFacts,
    container: &Fields,
    resource: &str,
    part: &str,
    amount: Quantity,
    next: Option<Quantity>,
) -> Option<String> {
    let stands = |part: &str| get(container, &["resources", part, resource]).and_then(quantity);
    let pod_level = |part: &str| get(&facts.pod_level, &[part, resource]).and_then(quantity);
    if let Some(of_pod) = pod_level("limits").or_else(|| pod_level("requests")) {
        return Some(format!("the pod as a whole has {of_pod}"));
    }
    if part == "requests" {
        let limit = next.or_else(|| stands("limits"))?;
        if amount > limit {
            return Some(format!("the request {amount} would be above the limit {limit}"));
        }
        equal_only(resource)
            .filter(|()| amount != limit)
            .map(|()| format!("request and limit of {resource} must be equal, and the limit is {limit}"))
    } else {
        let request = stands("requests")?;
        if request > amount {
            return Some(format!("the limit {amount} would be below the request {request}"));
        }
        equal_only(resource)
            .filter(|()| amount != request)
            .map(|()| format!("request and limit of {resource} must be equal, and the request is {request}"))
    }
}

/// Huge pages and extended resources can't be overcommitted.
fn equal_only(resource: &str) -> Option<()> {
    let native = !resource.contains('/') || resource.contains("kubernetes.io/");
    (!native || resource.starts_with("hugepages-")).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_ranger_annotation_is_read() {
        let filled = limit_ranged(
            "LimitRanger plugin set: cpu, memory request for container api; cpu limit for init container migrate",
        );
        let entry = |resource: &str, singular: &str, is_init, container: &str| LimitRanged {
            resource: resource.to_owned(),
            singular: singular.to_owned(),
            is_init,
            container: container.to_owned(),
        };
        assert_eq!(
            filled,
            [
                entry("cpu", "request", false, "api"),
                entry("memory", "request", false, "api"),
                entry("cpu", "limit", true, "migrate"),
            ]
        );
        assert!(limit_ranged("anything else").is_empty());
    }
}
