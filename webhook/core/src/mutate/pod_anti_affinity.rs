//! Keeps a pod apart from its like.

use sallyport_policy::{Diagnostics, FieldPath, check_label_key};
use serde_json::{Value, json};

use super::labels_from_pod::Like;
use super::log::Log;
use super::transformation::{Subject, Terms, Transformation};
use crate::object::get;
use crate::resources::{PodAntiAffinity, PodAntiAffinityType, Strategy};

/// One term of a podAntiAffinity.
#[derive(Debug)]
pub(crate) struct ApartFill {
    kind: PodAntiAffinityType,
    weight: i32,
    topology_key: String,
    like: Like,
}

impl ApartFill {
    pub(crate) fn compile(apart: &PodAntiAffinity, path: &FieldPath, found: &mut Diagnostics) -> Self {
        if let Err(wrong) = check_label_key(&apart.topology_key) {
            found.error(path.field("topologyKey"), wrong.to_string());
        }
        let weight = apart.weight.unwrap_or(100);
        if !(1..=100).contains(&weight) {
            found.error(path.field("weight"), format!("found {weight}; expected 1 to 100"));
        }
        if apart.weight.is_some() && apart.r#type == PodAntiAffinityType::Required {
            found.error(path.field("weight"), "a requirement has no weight; it goes with type Preferred");
        }
        let like = Like::compile(apart.labels_from_pod.as_ref(), apart.label_selector.as_ref(), path, found);
        Self { kind: apart.r#type, weight, topology_key: apart.topology_key.clone(), like }
    }

    fn value(&self, selector: &Value) -> Value {
        let term = json!({"labelSelector": selector, "topologyKey": self.topology_key});
        match self.kind {
            PodAntiAffinityType::Required => {
                json!({"requiredDuringSchedulingIgnoredDuringExecution": [term]})
            }
            PodAntiAffinityType::Preferred => json!({
                "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": self.weight, "podAffinityTerm": term}]
            }),
        }
    }
}

const FIELD: [&str; 2] = ["affinity", "podAntiAffinity"];

impl Transformation for ApartFill {
    fn apply(&self, terms: &Terms, subject: &mut Subject<'_>, log: &mut Log) {
        let Some(mut pod) = subject.whole_pod(log) else { return };
        let Some(now) = pod.read() else { return };
        if get(now.spec(), &FIELD).is_some() && terms.strategy == Strategy::Default {
            return;
        }
        match self.like.selector(now) {
            Err(reason) => log.skip("spec.affinity.podAntiAffinity", reason),
            Ok(selector) => {
                let Some(spec) = pod.spec() else { return };
                log.fill(spec, &FIELD, &self.value(&selector), terms.strategy, "spec");
            }
        }
    }

    fn sets(&self) -> Vec<(String, Value)> {
        vec![("pod.affinity.podAntiAffinity".to_owned(), self.value(&json!(format!("{:?}", self.like))))]
    }
}
