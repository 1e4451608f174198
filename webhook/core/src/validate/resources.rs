//! Resource requests and limits that must be there, and their bounds.
//!
//! Judged as the API server's LimitRanger judges a LimitRange of type Container, after static defaulting: a limit is the
//! request too where none is set, a bound needs something to bound, and init containers count. Where a container says
//! nothing, the pod's own resources (KEP-2837) cover it.

use std::collections::BTreeSet;
use std::fmt;

use sallyport_policy::{Diagnostics, FieldPath, Quantity, check_label_key};
use serde::Deserialize;
use serde_json::Value;

use super::quoted::quoted;
use super::shape::{ElementAt, FieldAt, object_in, type_of};
use super::{Report, Rule, Subject};
use crate::object::{Fields, get};
use crate::resources::{ContainerType, ResourceRule};

/// The rule, compiled: one term for each resource that it is about.
#[derive(Debug)]
pub(crate) struct ResourceBounds(Vec<Term>);

/// What is asked of one resource.
#[derive(Debug)]
struct Term {
    resource: String,
    needs_request: bool,
    needs_limit: bool,
    min: Option<Quantity>,
    max: Option<Quantity>,
}

impl ResourceBounds {
    pub(crate) fn compile(rule: &ResourceRule, path: &FieldPath, found: &mut Diagnostics) -> Self {
        let required = path.field("required");
        let lists = [("requests", &rule.required.requests), ("limits", &rule.required.limits)];
        let bounds = [("min", &rule.min), ("max", &rule.max)];
        if lists.iter().all(|(_, names)| names.is_empty()) && bounds.iter().all(|(_, map)| map.is_empty()) {
            found.error(path.clone(), "the rule asks for nothing; give required, min or max");
        }
        for (field, names) in lists {
            for (i, name) in names.iter().enumerate() {
                check_resource(name, required.field(field).index(i), found);
            }
        }
        for (field, map) in bounds {
            for (name, amount) in map {
                let at = path.field(field).key(name);
                check_resource(name, at.clone(), found);
                if amount.is_negative() {
                    found.error(at, format!("found {amount}; expected at least 0"));
                }
            }
        }
        for (name, min) in &rule.min {
            if let Some(max) = rule.max.get(name).filter(|max| min > *max) {
                let at = path.field("min").key(name);
                found.error(at, format!("the least, {min}, is above the most, {max}"));
            }
        }
        let resources: BTreeSet<&String> = lists
            .iter()
            .flat_map(|(_, names)| names.iter())
            .chain(rule.min.keys())
            .chain(rule.max.keys())
            .collect();
        let term = |resource: &String| Term {
            resource: resource.clone(),
            needs_request: rule.required.requests.contains(resource),
            needs_limit: rule.required.limits.contains(resource),
            min: rule.min.get(resource).copied(),
            max: rule.max.get(resource).copied(),
        };
        Self(resources.into_iter().map(term).collect())
    }
}

/// The resources that Kubernetes itself gives containers (IsStandardContainerResourceName).
const STANDARD: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];
const HUGE_PAGES: &str = "hugepages-";

/// What may be requested for a container: a standard resource, or one with a domain.
fn check_resource(name: &str, at: FieldPath, found: &mut Diagnostics) {
    let standard =
        STANDARD.contains(&name) || name.strip_prefix(HUGE_PAGES).is_some_and(|size| !size.is_empty());
    let extended = name.contains('/') && check_label_key(name).is_ok();
    if !standard && !extended {
        let wanted =
            "cpu, memory, ephemeral-storage, hugepages-SIZE, or one with a domain such as nvidia.com/gpu";
        found.error(at, format!("{} is no resource of a container; expected {wanted}", quoted(name)));
    }
}

/// Whether a container that says nothing has as much of it as the node has, and not none.
fn is_unbounded_without_limit(resource: &str) -> bool {
    STANDARD.contains(&resource)
}

/// Whether a pod can have it for all of its containers together (supportedPodLevelResources).
fn is_pod_level(resource: &str) -> bool {
    matches!(resource, "cpu" | "memory") || resource.starts_with(HUGE_PAGES)
}

/// Requests and limits, and where they stand.
struct Resources<'r> {
    at: &'r dyn fmt::Display,
    requests: Option<&'r Fields>,
    limits: Option<&'r Fields>,
}

/// What is said of one resource.
#[derive(Clone, Copy)]
enum Said {
    Nothing,
    Amount(Quantity),
    /// It has been reported; there is nothing to compare.
    Unreadable,
}

const REQUESTS: &str = "requests";
const LIMITS: &str = "limits";

impl<'r> Resources<'r> {
    /// Those in field `resources` of a container or a pod spec. What can't be read is reported.
    fn of(
        owner: &'r Fields,
        owner_at: &dyn fmt::Display,
        at: &'r dyn fmt::Display,
        report: &mut Report,
    ) -> Self {
        let resources = object_in(owner, owner_at, "resources", report);
        let mut list = |name| resources.and_then(|resources| object_in(resources, at, name, report));
        Self { at, requests: list(REQUESTS), limits: list(LIMITS) }
    }

    /// Whether it says anything of a resource; a limit is the request too (SetDefaults_Pod).
    fn has(&self, list: &str, resource: &str) -> bool {
        let given = |list: Option<&Fields>| list.is_some_and(|list| get(list, &[resource]).is_some());
        given(self.limits) || (list == REQUESTS && given(self.requests))
    }

    fn read(&self, list: &str, resource: &str, report: &mut Report) -> Said {
        let fields = if list == REQUESTS { self.requests } else { self.limits };
        let Some(value) = fields.and_then(|fields| get(fields, &[resource])) else { return Said::Nothing };
        if let Ok(amount) = Quantity::deserialize(value) {
            return Said::Amount(amount);
        }
        let found = match value {
            Value::String(text) => quoted(text).to_string(),
            other => type_of(other).to_owned(),
        };
        self.report(list, resource, format!("found {found}; wanted a quantity such as 500m or 1Gi"), report);
        Said::Unreadable
    }

    fn report(&self, list: &str, resource: &str, message: impl Into<String>, report: &mut Report) {
        report.violation(ElementAt(&FieldAt(self.at, list), &resource), message);
    }
}

impl Term {
    /// Judges what a container says itself, and that something is said where it must be.
    fn judge(&self, own: &Resources<'_>, pod: &Resources<'_>, report: &mut Report) {
        let resource = self.resource.as_str();
        let (request, limit) = (own.read(REQUESTS, resource, report), own.read(LIMITS, resource, report));
        self.judge_bounds(own, request, limit, report);
        let covered = |list| is_pod_level(resource) && pod.has(list, resource);
        if (self.needs_request || self.min.is_some()) && !own.has(REQUESTS, resource) && !covered(REQUESTS) {
            let wanted = self.min.map_or(String::new(), |min| format!(" of at least {min}"));
            own.report(REQUESTS, resource, format!("found none; wanted a request{wanted}"), report);
        }
        let bounded = self.max.is_some() && is_unbounded_without_limit(resource);
        if (self.needs_limit || bounded) && !own.has(LIMITS, resource) && !covered(LIMITS) {
            let wanted = self.max.map_or(String::new(), |max| format!(" of at most {max}"));
            own.report(LIMITS, resource, format!("found none; wanted a limit{wanted}"), report);
        }
    }

    /// Judges what the pod says for a container that says nothing.
    fn judge_pod(&self, pod: &Resources<'_>, lacks: impl Fn(&str) -> bool, report: &mut Report) {
        let resource = self.resource.as_str();
        let mut read = |list| if lacks(list) { pod.read(list, resource, report) } else { Said::Nothing };
        let (request, limit) = (read(REQUESTS), read(LIMITS));
        self.judge_bounds(pod, request, limit, report);
    }

    fn judge_bounds(&self, at: &Resources<'_>, request: Said, limit: Said, report: &mut Report) {
        let resource = self.resource.as_str();
        let (least, least_at) = match (request, limit) {
            (Said::Nothing, limit) => (limit, LIMITS),
            (request, _) => (request, REQUESTS),
        };
        if let (Said::Amount(found), Some(min)) = (least, self.min)
            && found < min
        {
            at.report(least_at, resource, format!("found {found}; wanted at least {min}"), report);
        }
        for (said, list) in [(request, REQUESTS), (limit, LIMITS)] {
            if let (Said::Amount(found), Some(max)) = (said, self.max)
                && found > max
            {
                at.report(list, resource, format!("found {found}; wanted at most {max}"), report);
            }
        }
    }
}

impl Rule for ResourceBounds {
    fn heeds_containers(&self) -> bool {
        true
    }

    fn judge(&self, subject: &Subject<'_>, report: &mut Report) {
        let Some(pod) = subject.readable_pod(report) else { return };
        let of_pod = Resources::of(pod.spec(), &"spec", &"spec.resources", report);
        // The API server lets no resources be set on ephemeral containers.
        let containers = || subject.containers_of_authors().filter(|c| c.kind != ContainerType::Ephemeral);
        for container in containers() {
            let at = FieldAt(&container.path, "resources");
            let own = Resources::of(container.fields, &container.path, &at, report);
            for term in &self.0 {
                term.judge(&own, &of_pod, report);
            }
        }
        for term in self.0.iter().filter(|term| is_pod_level(&term.resource)) {
            if of_pod.has(REQUESTS, &term.resource) {
                let lacks = |list: &str| {
                    containers().any(|c| {
                        let own = Resources::of(c.fields, &"", &"", &mut Report::default());
                        !own.has(list, &term.resource)
                    })
                };
                term.judge_pod(&of_pod, lacks, report);
            }
        }
    }
}
