//! Fills in where pods may run: node selector, tolerations, affinity.

use std::collections::BTreeMap;

use sallyport_policy::{Diagnostics, FieldPath, check_label_key, check_label_value};
use serde_json::Value;

use super::log::Log;
use super::transformation::{Subject, Terms, Transformation};
use crate::object::{get_list, get_str, list_entry};
use crate::resources::{Embedded, Scheduling, Strategy};

/// A node selector, tolerations and affinities.
#[derive(Debug)]
pub(crate) struct SchedulingFill {
    node_selector: BTreeMap<String, Value>,
    tolerations: Vec<Value>,
    affinity: Vec<(String, Value)>,
}

const AFFINITIES: [&str; 3] = ["nodeAffinity", "podAffinity", "podAntiAffinity"];
const TOLERATION_FIELDS: [&str; 5] = ["key", "operator", "value", "effect", "tolerationSeconds"];

const TOLERATION_WORDS: [(&str, &[&str]); 2] = [
    // Lt and Gt: KEP-5471.
    ("operator", &["Exists", "Equal", "Lt", "Gt"]),
    ("effect", &["NoSchedule", "PreferNoSchedule", "NoExecute"]),
];

impl SchedulingFill {
    pub(crate) fn compile(scheduling: &Scheduling, path: &FieldPath, found: &mut Diagnostics) -> Self {
        for (key, value) in &scheduling.node_selector {
            let at = path.field("nodeSelector").key(key);
            if let Err(wrong) = check_label_key(key) {
                found.error(at.clone(), wrong.to_string());
            }
            if let Err(wrong) = check_label_value(value) {
                found.error(at, wrong.to_string());
            }
        }
        for (i, Embedded(toleration)) in scheduling.tolerations.iter().enumerate() {
            let at = path.field("tolerations").index(i);
            for field in toleration.keys().filter(|field| !TOLERATION_FIELDS.contains(&field.as_str())) {
                let expected = TOLERATION_FIELDS.join(", ");
                found.error(at.field(field.clone()), format!("unknown field; expected {expected}"));
            }
            for (field, known) in TOLERATION_WORDS {
                let other = toleration.get(field).filter(|word| !known.iter().any(|known| *word == known));
                if let Some(other) = other.filter(|other| !other.is_null() && *other != "") {
                    found.error(at.field(field), format!("found {other}; expected {}", known.join(", ")));
                }
            }
            if toleration.contains_key(SECONDS) && get_str(toleration, &["effect"]) != Some("NoExecute") {
                found.error(at.field(SECONDS), "it goes with effect NoExecute");
            }
            let exists = get_str(toleration, &["operator"]) == Some("Exists");
            if exists && toleration.contains_key("value") {
                found.error(at.field("value"), "operator Exists has no value");
            }
            if !exists && get_str(toleration, &["key"]).is_none_or(str::is_empty) {
                found.error(at.field("key"), "expected a key; only operator Exists can do without");
            }
        }
        let affinity = scheduling.affinity.as_ref().map(|Embedded(a)| a.clone()).unwrap_or_default();
        for kind in affinity.keys().filter(|kind| !AFFINITIES.contains(&kind.as_str())) {
            let at = path.field("affinity").field(kind.clone());
            found.error(at, format!("unknown field; expected {}", AFFINITIES.join(", ")));
        }
        if scheduling.node_selector.is_empty() && scheduling.tolerations.is_empty() && affinity.is_empty() {
            found.error(path.clone(), "nothing to fill in; give nodeSelector, tolerations or affinity");
        }
        Self {
            node_selector: scheduling
                .node_selector
                .iter()
                .map(|(k, v)| (k.clone(), v.as_str().into()))
                .collect(),
            tolerations: scheduling.tolerations.iter().map(|t| Value::Object(t.0.clone())).collect(),
            affinity: affinity.into_iter().collect(),
        }
    }
}

impl Transformation for SchedulingFill {
    fn apply(&self, terms: &Terms, subject: &mut Subject<'_>, log: &mut Log) {
        let Some(mut pod) = subject.whole_pod(log) else { return };
        let Some(spec) = pod.spec() else { return };
        let placed = get_str(spec, &["nodeName"]).filter(|node| !node.is_empty()).map(str::to_owned);
        if let Some(node) = placed {
            // The kubelet would refuse a pod that was put on a node by name and does not match it.
            if !self.node_selector.is_empty() || self.affinity.iter().any(|(kind, _)| kind == "nodeAffinity")
            {
                log.skip("spec.nodeSelector", format!("the pod names its node: {node}"));
            }
        } else {
            for (key, value) in &self.node_selector {
                log.fill(spec, &["nodeSelector", key], value, terms.strategy, "spec");
            }
            for (kind, value) in &self.affinity {
                log.fill(spec, &["affinity", kind], value, terms.strategy, "spec");
            }
        }
        for toleration in &self.tolerations {
            let own = get_list(spec, &["tolerations"]).iter().position(|own| same_taint(own, toleration));
            if own.is_some() && terms.strategy == Strategy::Default {
                continue;
            }
            let Some(tolerations) = list_entry(spec, "tolerations") else { return };
            let before = match own.and_then(|own| tolerations.get_mut(own)) {
                Some(own) if own.get(SECONDS) == toleration.get(SECONDS) => continue,
                Some(own) => Some(std::mem::replace(own, toleration.clone())),
                None => {
                    tolerations.push(toleration.clone());
                    None
                }
            };
            let key = toleration.get("key").and_then(Value::as_str).unwrap_or("*");
            log.change(format_args!("spec.tolerations[{key}]"), before, Some(toleration.clone()));
        }
    }

    fn sets(&self) -> Vec<(String, Value)> {
        let selectors = self.node_selector.iter().map(|(k, v)| (format!("pod.nodeSelector[{k}]"), v.clone()));
        let affinities = self.affinity.iter().map(|(kind, v)| (format!("pod.affinity.{kind}"), v.clone()));
        selectors.chain(affinities).collect()
    }
}

const SECONDS: &str = "tolerationSeconds";

/// Whether two tolerations are about the same taint; they may still differ in how long they tolerate it.
fn same_taint(own: &Value, wanted: &Value) -> bool {
    let (Some(own), Some(wanted)) = (own.as_object(), wanted.as_object()) else { return false };
    let same = |field: &str, default: &str| {
        let own = get_str(own, &[field]).unwrap_or_default();
        let wanted = get_str(wanted, &[field]).unwrap_or_default();
        (if own.is_empty() { default } else { own }) == (if wanted.is_empty() { default } else { wanted })
    };
    same("key", "") && same("operator", "Equal") && same("value", "") && same("effect", "")
}
