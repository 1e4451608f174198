//! Pods that no policy is about: the commonest reason why nothing happens is a namespace that was not said.

use std::collections::BTreeSet;

use serde_json::Value;

use super::judge::Judged;
use super::paint::DOUBT;
use crate::plain::visible;
use crate::policies::Loaded;

/// Counts the pods that no policy is about.
#[derive(Default)]
pub(super) struct Unmatched {
    pods: usize,
    unmatched: usize,
    /// The namespaces that were supposed of those that name none.
    supposed: BTreeSet<String>,
}

impl Unmatched {
    pub(super) fn count(&mut self, judged: &Judged<'_>) {
        if !is_pod(judged) {
            return;
        }
        self.pods += 1;
        if !judged.decision.matched {
            self.unmatched += 1;
            if judged.document.namespace().is_empty() {
                self.supposed.insert(judged.namespace.clone());
            }
        }
    }

    /// Says so on standard error, where it is likely a mistake: all pods, or pods that name no namespace.
    pub(super) fn tell(&self, loaded: &Loaded) {
        let Self { pods, unmatched, supposed } = self;
        if *unmatched == 0 || (unmatched < pods && supposed.is_empty()) {
            return;
        }
        let whom = match (unmatched, pods) {
            (1, 1) => "the one pod here".to_owned(),
            (unmatched, pods) if unmatched == pods => format!("any of the {pods} pods here"),
            (unmatched, pods) => format!("{unmatched} of the {pods} pods here"),
        };
        anstream::eprintln!("{DOUBT}!{DOUBT:#} no policy is about {whom}{}", about(loaded));
        if !supposed.is_empty() {
            let supposed: Vec<&str> = supposed.iter().map(String::as_str).collect();
            anstream::eprintln!(
                "  objects that name no namespace count as in {}; -n NAME says in which they are",
                visible(&supposed.join(", "))
            );
        }
    }
}

/// Whether an object is a pod, or one that a controller makes.
pub(super) fn is_pod(judged: &Judged<'_>) -> bool {
    judged.is_made || judged.document.kind() == "Pod"
}

/// The namespaces that the policies name, where all of them name some.
fn about(loaded: &Loaded) -> String {
    let mut named = BTreeSet::new();
    for document in loaded.documents.values() {
        let namespaces = document.value.pointer("/spec/match/namespaces").and_then(Value::as_array);
        let names: Vec<&str> = namespaces.into_iter().flatten().filter_map(Value::as_str).collect();
        if names.is_empty() {
            return String::new();
        }
        named.extend(names);
    }
    const MOST: usize = 8;
    let more = if named.len() > MOST { ", …" } else { "" };
    let named: Vec<&str> = named.into_iter().take(MOST).collect();
    format!(": they are about the namespaces {}{more}", visible(&named.join(", ")))
}
