//! Fills in where pods may run: node selector, tolerations, affinity.
//!
//! A pod of a DaemonSet is made for one node: its controller pins it there with a nodeAffinity by the node's name, and
//! looked at the template, not at this pod, when it chose the node. Such a pod is placed already, as one that names its
//! node.
//!
//! The API server's DefaultTolerationSeconds runs before webhooks and lets each pod stay 300 seconds on a node that is
//! not ready or unreachable. These tolerations count as unset; an author's own of exactly that content can't be told
//! from them.

use std::collections::BTreeMap;

use sallyport_policy::{Diagnostics, FieldPath, check_label_key, check_label_value};
use serde_json::Value;

use super::log::Log;
use super::transformation::{Subject, Terms, Transformation};
use crate::object::{Fields, element, get_list, get_str, list_entry};
use crate::resources::{Embedded, Scheduling, Strategy};

/// A node selector, tolerations and affinities.
#[derive(Debug)]
pub(crate) struct SchedulingFill {
    node_selector: BTreeMap<String, Value>,
    tolerations: Vec<Value>,
    affinity: Vec<(String, Value)>,
}

const NODE_AFFINITY: &str = "nodeAffinity";
const PINNED: &str = "a nodeAffinity with matchFields pins the pod to its node";
const AFFINITIES: [&str; 3] = [NODE_AFFINITY, "podAffinity", "podAntiAffinity"];
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
        let pinned = is_pinned(spec);
        if let Some(node) = placed {
            // The kubelet would refuse a pod that was put on a node by name and does not match it.
            if !self.node_selector.is_empty() || self.affinity.iter().any(|(kind, _)| kind == NODE_AFFINITY) {
                log.skip("spec.nodeSelector", format!("the pod names its node: {node}"));
            }
        } else {
            if pinned && !self.node_selector.is_empty() {
                log.skip("spec.nodeSelector", PINNED);
            }
            for (key, value) in self.node_selector.iter().filter(|_| !pinned) {
                log.fill(spec, &["nodeSelector", key], value, terms.strategy, "spec");
            }
            for (kind, value) in &self.affinity {
                if pinned && kind == NODE_AFFINITY {
                    log.skip("spec.affinity.nodeAffinity", PINNED);
                    continue;
                }
                log.fill(spec, &["affinity", kind], value, terms.strategy, "spec");
            }
        }
        for toleration in &self.tolerations {
            let called = element::name("tolerations", toleration).unwrap_or_default();
            let place = format!("spec.tolerations[{called}]");
            let all = get_list(spec, &["tolerations"]);
            let own = all.iter().position(|own| same_taint(own, toleration));
            // What an entry gives in place of the defaulted one is kept from the next, though it says the same.
            let defaulted =
                own.and_then(|own| all.get(own)).is_some_and(is_defaulted) && !log.is_claimed(&place);
            if own.is_some() && terms.strategy == Strategy::Default && !defaulted {
                continue;
            }
            if is_about_defaulted(toleration) {
                log.claim(&place);
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
            log.change(place, before, Some(toleration.clone()));
        }
    }

    fn sets(&self) -> Vec<(String, Value)> {
        let selectors = self.node_selector.iter().map(|(k, v)| (format!("pod.nodeSelector[{k}]"), v.clone()));
        let affinities = self.affinity.iter().map(|(kind, v)| (format!("pod.affinity.{kind}"), v.clone()));
        selectors.chain(affinities).collect()
    }
}

const SECONDS: &str = "tolerationSeconds";

/// What the API server tolerates for a while on behalf of every pod that says nothing of it
/// (plugin/pkg/admission/defaulttolerationseconds).
fn is_about_defaulted(toleration: &Value) -> bool {
    let text = |field: &str| toleration.get(field).and_then(Value::as_str).unwrap_or_default();
    matches!(text("key"), "node.kubernetes.io/not-ready" | "node.kubernetes.io/unreachable")
        && (text("operator"), text("effect"), text("value")) == ("Exists", "NoExecute", "")
}

fn is_defaulted(toleration: &Value) -> bool {
    is_about_defaulted(toleration) && toleration.get(SECONDS).and_then(Value::as_i64) == Some(300)
}

/// Whether a node affinity pins the pod to a node by its name, as the DaemonSet controller does
/// (pkg/controller/daemon/util, ReplaceDaemonSetPodNodeNameNodeAffinity).
fn is_pinned(spec: &Fields) -> bool {
    const REQUIRED: [&str; 4] =
        ["affinity", NODE_AFFINITY, "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms"];
    let by_fields =
        |term: &Value| term.as_object().is_some_and(|it| !get_list(it, &["matchFields"]).is_empty());
    get_list(spec, &REQUIRED).iter().any(by_fields)
}

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
