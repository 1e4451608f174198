//! Spreads a pod and its like over domains.

use sallyport_policy::{Diagnostics, FieldPath, check_label_key};
use serde_json::{Value, json};

use super::labels_from_pod::Like;
use super::log::Log;
use super::transformation::{Subject, Terms, Transformation};
use crate::object::{Fields, element, get_list, list_entry};
use crate::resources::{Strategy, TopologySpread, UnsatisfiableAction};

/// Constraints, each with a topology key of its own.
#[derive(Debug)]
pub(crate) struct SpreadFill(Vec<Constraint>);

#[derive(Debug)]
struct Constraint {
    topology_key: String,
    fields: Fields,
    like: Like,
}

const FIELD: &str = "topologySpreadConstraints";

impl SpreadFill {
    pub(crate) fn compile(spread: &[TopologySpread], path: &FieldPath, found: &mut Diagnostics) -> Self {
        let mut constraints: Vec<Constraint> = Vec::with_capacity(spread.len());
        for (i, wanted) in spread.iter().enumerate() {
            let at = path.index(i);
            if let Err(wrong) = check_label_key(&wanted.topology_key) {
                found.error(at.field("topologyKey"), wrong.to_string());
            }
            if constraints.iter().any(|other| other.topology_key == wanted.topology_key) {
                found.error(at.field("topologyKey"), format!("`{}` is given twice", wanted.topology_key));
            }
            if wanted.min_domains.is_some()
                && wanted.when_unsatisfiable == UnsatisfiableAction::ScheduleAnyway
            {
                found.error(at.field("minDomains"), "it goes with whenUnsatisfiable: DoNotSchedule");
            }
            for (field, number) in [("maxSkew", wanted.max_skew), ("minDomains", wanted.min_domains)] {
                if let Some(number) = number.filter(|number| *number < 1) {
                    found.error(at.field(field), format!("found {number}; expected at least 1"));
                }
            }
            for (j, key) in wanted.match_label_keys.iter().enumerate() {
                if wanted.labels_from_pod.as_ref().is_some_and(|labels| labels.contains(key)) {
                    found.error(
                        at.field("matchLabelKeys").index(j),
                        format!("`{key}` is in labelsFromPod too"),
                    );
                }
            }
            let mut fields = Fields::new();
            fields.insert("topologyKey".to_owned(), json!(wanted.topology_key));
            fields.insert("maxSkew".to_owned(), json!(wanted.max_skew.unwrap_or(1)));
            fields.insert("whenUnsatisfiable".to_owned(), json!(wanted.when_unsatisfiable));
            if let Some(domains) = wanted.min_domains {
                fields.insert("minDomains".to_owned(), json!(domains));
            }
            if !wanted.match_label_keys.is_empty() {
                fields.insert("matchLabelKeys".to_owned(), json!(wanted.match_label_keys));
            }
            let like =
                Like::compile(wanted.labels_from_pod.as_ref(), wanted.label_selector.as_ref(), &at, found);
            constraints.push(Constraint { topology_key: wanted.topology_key.clone(), fields, like });
        }
        Self(constraints)
    }
}

impl Transformation for SpreadFill {
    fn apply(&self, terms: &Terms, subject: &mut Subject<'_>, log: &mut Log) {
        let Some(mut pod) = subject.whole_pod(log) else { return };
        for constraint in &self.0 {
            let Some(now) = pod.read() else { return };
            let same_key =
                |own: &Value| element::name(FIELD, own).as_deref() == Some(&constraint.topology_key);
            let own = get_list(now.spec(), &[FIELD]).iter().any(same_key);
            if own && terms.strategy == Strategy::Default {
                continue;
            }
            let path = format!("spec.{FIELD}[{}]", constraint.topology_key);
            let selector = match constraint.like.selector(now) {
                Ok(selector) => selector,
                Err(reason) => {
                    log.skip(path, reason);
                    continue;
                }
            };
            let mut wanted = constraint.fields.clone();
            wanted.insert("labelSelector".to_owned(), selector);
            let wanted = Value::Object(wanted);
            let Some(list) = pod.spec().and_then(|spec| list_entry(spec, FIELD)) else { return };
            let mut own = list.iter().filter(|own| same_key(own));
            if own.next() == Some(&wanted) && own.next().is_none() {
                continue;
            }
            let mut replaced: Vec<Value> = list.extract_if(.., |own| same_key(own)).collect();
            list.push(wanted.clone());
            let last = replaced.pop();
            for before in replaced {
                log.change(&path, Some(before), None);
            }
            log.change(path, last, Some(wanted));
        }
    }

    fn sets(&self) -> Vec<(String, Value)> {
        self.0
            .iter()
            .map(|c| (format!("pod.{FIELD}[{}]", c.topology_key), Value::Object(c.fields.clone())))
            .collect()
    }
}
