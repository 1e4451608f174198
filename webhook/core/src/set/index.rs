//! Finds the policies that may be about a request without looking at the others.
//!
//! A policy stands in the buckets of each of its kinds and operations, and there under the cheapest thing that a
//! request must have for it to match: a namespace's name, else a label of the namespace, else a label of the object.
//! A policy that asks for none of them stands with those that are always looked at.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use crate::compile::Policy;
use crate::object::get_str;
use crate::{Namespace, Operation, Request};

/// Positions of policies in the set.
type Positions = Vec<usize>;
/// Positions by the value of a label, by its key.
type ByLabel = HashMap<String, HashMap<String, Positions>>;

#[derive(Debug, Default)]
pub(super) struct Index {
    by_kind: HashMap<String, ByOperation>,
    any_kind: ByOperation,
}

type ByOperation = [Buckets; 4];

#[derive(Debug, Default)]
struct Buckets {
    by_namespace: HashMap<String, Positions>,
    by_namespace_label: ByLabel,
    by_object_label: ByLabel,
    always: Positions,
}

const fn slot(operation: Operation) -> usize {
    match operation {
        Operation::Create => 0,
        Operation::Update => 1,
        Operation::Delete => 2,
        Operation::Connect => 3,
    }
}

impl Index {
    pub(super) fn of(policies: &[Arc<Policy>]) -> Self {
        let mut index = Self::default();
        for (position, policy) in policies.iter().enumerate() {
            for kind in &policy.scope.kinds {
                for operation in &policy.scope.operations {
                    let operations = match kind.kind() {
                        Some(kind) => index.by_kind.entry(kind.to_owned()).or_default(),
                        None => &mut index.any_kind,
                    };
                    if let Some(buckets) = operations.get_mut(slot(*operation)) {
                        buckets.add(position, policy);
                    }
                }
            }
        }
        index
    }

    /// The positions of the policies that may be about a request, in ascending order, each once.
    pub(super) fn candidates(&self, request: &Request, namespace: Option<&Namespace>) -> Positions {
        let mut found = Positions::new();
        let of_kind = self.by_kind.get(&request.kind.kind);
        for operations in of_kind.into_iter().chain([&self.any_kind]) {
            if let Some(buckets) = operations.get(slot(request.operation)) {
                buckets.collect(request, namespace, &mut found);
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}

impl Buckets {
    fn add(&mut self, position: usize, policy: &Policy) {
        let scope = &policy.scope;
        let names: Option<Vec<&str>> = scope.namespaces.iter().map(|glob| glob.is_literal()).collect();
        let pair = |selector: &Option<sallyport_policy::Selector>| {
            let (key, value) = selector.as_ref()?.required_pairs().next()?;
            Some((key.to_owned(), value.to_owned()))
        };
        if let Some(names) = names.filter(|names| !names.is_empty()) {
            for name in names {
                self.by_namespace.entry(name.to_owned()).or_default().push(position);
            }
        } else if let Some((key, value)) = pair(&scope.namespace_selector) {
            self.by_namespace_label.entry(key).or_default().entry(value).or_default().push(position);
        } else if let Some((key, value)) = pair(&scope.object_selector) {
            self.by_object_label.entry(key).or_default().entry(value).or_default().push(position);
        } else {
            self.always.push(position);
        }
    }

    fn collect(&self, request: &Request, namespace: Option<&Namespace>, found: &mut Positions) {
        found.extend(&self.always);
        found.extend(self.by_namespace.get(&request.namespace).into_iter().flatten());
        if let Some(namespace) = namespace {
            for (key, by_value) in &self.by_namespace_label {
                found.extend(
                    namespace.labels.get(key).and_then(|value| by_value.get(value)).into_iter().flatten(),
                );
            }
        }
        for object in [&request.object, &request.old_object].into_iter().filter_map(Value::as_object) {
            for (key, by_value) in &self.by_object_label {
                let value = get_str(object, &["metadata", "labels", key]);
                found.extend(value.and_then(|value| by_value.get(value)).into_iter().flatten());
            }
        }
    }
}
