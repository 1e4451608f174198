//! The pods that pod-security-admission is tested with, under all actions at once.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::{invariants, policies, reading};

pub(crate) fn pods() -> Vec<Value> {
    fn texts(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in reading::entries(folder) {
            if entry.is_dir() {
                texts(&entry, found);
            } else if entry.extension().is_some_and(|extension| extension == "yaml") {
                found.extend(reading::text(&entry));
            }
        }
    }
    let mut found = BTreeSet::new();
    texts(&reading::corpus(), &mut found);
    found
        .iter()
        .flat_map(|text| reading::documents(text))
        .filter(|document| document["kind"] == "Pod")
        .collect()
}

#[test]
fn the_invariants_hold_of_every_pod_of_the_corpus() {
    let pods = pods();
    assert!(pods.len() > 100, "only {} pods", pods.len());
    let defaults = policies::set_of(policies::actions(), None);
    let all = policies::actions().into_iter().chain(policies::changing_actions()).collect();
    let overrides = policies::set_of(all, Some("Override"));
    for pod in &pods {
        let result = invariants::hold(&defaults, pod);
        invariants::nothing_set_is_lost(pod, &result);
        invariants::hold(&overrides, pod);
    }
}
