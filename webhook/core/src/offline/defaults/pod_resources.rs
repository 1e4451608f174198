//! The defaults of a pod's own resources (KEP-2837).

use serde_json::Value;

use super::canonical_quantity::CanonicalQuantity;
use super::{is_zero, object};
use crate::object::{ContainerList, Fields, get_list, get_object, get_str, object_entry};

const HUGE_PAGES: &str = "hugepages-";

/// Amounts by the name of their resource, in the order in which they were met.
#[derive(Default)]
struct Amounts(Vec<(String, CanonicalQuantity)>);

/// Completes the resources that the pod itself has from those of its containers.
///
/// Limits of huge pages come from the containers' limits; requests, where the pod has limits, from the
/// containers' requests or else from the pod's limits (defaultHugePagePodLimits, defaultPodRequests).
pub(super) fn apply(spec: &mut Fields) {
    let limits = Amounts::of_containers(spec, "limits");
    let requests = Amounts::of_containers(spec, "requests");
    let Some(resources) = object(spec, "resources") else { return };
    if is_zero(resources.get("limits")) && is_zero(resources.get("requests")) {
        return;
    }
    for (name, amount) in &limits.0 {
        if name.starts_with(HUGE_PAGES)
            && get_object(resources, &["requests"]).is_none_or(|r| !r.contains_key(name))
        {
            fill(resources, "limits", name, amount.to_string().into());
        }
    }
    let Some(limits) = get_object(resources, &["limits"]).filter(|limits| !limits.is_empty()).cloned() else {
        return;
    };
    for (name, amount) in &requests.0 {
        if matches!(name.as_str(), "cpu" | "memory") {
            fill(resources, "requests", name, amount.to_string().into());
        }
    }
    for (name, limit) in limits {
        if matches!(name.as_str(), "cpu" | "memory") || name.starts_with(HUGE_PAGES) {
            fill(resources, "requests", &name, limit);
        }
    }
}

fn fill(resources: &mut Fields, list: &str, name: &str, amount: Value) {
    if let Some(amounts) = object_entry(resources, list) {
        amounts.entry(name).or_insert(amount);
    }
}

impl Amounts {
    /// What the containers need together: all that run at once, or more where an init container needs more
    /// before (AggregateContainerRequests, AggregateContainerLimits; KEP-753).
    fn of_containers(spec: &Fields, list: &str) -> Self {
        let mut together = Self::default();
        for container in get_list(spec, &[ContainerList::Containers.field()]) {
            together.add(&Self::of(container, list));
        }
        let (mut sidecars, mut before) = (Self::default(), Self::default());
        for container in get_list(spec, &[ContainerList::Init.field()]) {
            let own = Self::of(container, list);
            let restarts =
                container.as_object().and_then(|c| get_str(c, &["restartPolicy"])) == Some("Always");
            if restarts {
                together.add(&own);
                sidecars.add(&own);
                before.raise_to(&sidecars);
            } else {
                let mut while_it_runs = own;
                while_it_runs.add(&sidecars);
                before.raise_to(&while_it_runs);
            }
        }
        together.raise_to(&before);
        together
    }

    fn of(container: &Value, list: &str) -> Self {
        let amounts = container.as_object().and_then(|container| get_object(container, &["resources", list]));
        Self(
            amounts
                .into_iter()
                .flatten()
                .filter_map(|(name, amount)| Some((name.clone(), CanonicalQuantity::read(amount)?)))
                .collect(),
        )
    }

    fn add(&mut self, other: &Self) {
        for (name, amount) in &other.0 {
            match self.get_mut(name) {
                Some(own) => own.add(amount),
                None => self.0.push((name.clone(), amount.clone())),
            }
        }
    }

    fn raise_to(&mut self, other: &Self) {
        for (name, amount) in &other.0 {
            match self.get_mut(name) {
                Some(own) if own.value() < amount.value() => *own = amount.clone(),
                Some(_) => {}
                None => self.0.push((name.clone(), amount.clone())),
            }
        }
    }

    fn get_mut(&mut self, name: &str) -> Option<&mut CanonicalQuantity> {
        self.0.iter_mut().find(|(own, _)| own == name).map(|(_, amount)| amount)
    }
}
