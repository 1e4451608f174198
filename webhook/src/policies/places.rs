//! Where a policy and its mutations stand: what is needed of its document once it is compared with others.

use std::collections::HashMap;
use std::sync::Arc;

use sallyport_policy::{Diagnostic, FieldPath};
use serde_json::Value;

use crate::source::{Document, Located, Location, SourceText};

/// Places in the file of one policy.
pub(super) struct Places {
    origin: Arc<SourceText>,
    policy: Location,
    /// By the entry's name.
    mutations: HashMap<String, Location>,
}

impl Places {
    pub(super) fn of(document: &Document) -> Self {
        let list = FieldPath::of("spec.mutate");
        let entries = document.value.pointer("/spec/mutate").and_then(Value::as_array);
        let names = entries.into_iter().flatten().filter_map(|entry| entry.get("name")?.as_str());
        Self {
            origin: Arc::clone(&document.origin),
            policy: document.locate(&FieldPath::of("metadata.name")),
            mutations: names
                .map(|name| (name.to_owned(), document.locate(&list.clone().named(name))))
                .collect(),
        }
    }

    /// `file:line` of the policy.
    pub(super) fn policy(&self) -> String {
        self.line(&self.policy)
    }

    /// `file:line` of a mutation.
    pub(super) fn mutation(&self, entry: &str) -> Option<String> {
        self.mutations.get(entry).map(|at| self.line(at))
    }

    /// A finding about a mutation, with its place.
    pub(super) fn place(&self, entry: &str, diagnostic: Diagnostic) -> Located {
        let at = self.mutations.get(entry).unwrap_or(&self.policy);
        Located::new(diagnostic, &self.origin, at.clone())
    }

    fn line(&self, at: &Location) -> String {
        format!("{}:{}", self.origin.name(), at.line)
    }
}
