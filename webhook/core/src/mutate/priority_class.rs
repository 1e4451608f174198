//! Fills in the priority class.
//!
//! The API server's Priority admission runs before webhooks and has filled in `priority` and `preemptionPolicy` by
//! then. It refuses values that differ from the class's, so setting a class clears both; it computes them anew. It has
//! also named the class that is `globalDefault`, if there is one, and that can't be told from an author's word.

use sallyport_policy::{Diagnostics, FieldPath, check_dns_subdomain};
use serde_json::Value;

use super::log::Log;
use super::transformation::{Subject, Terms, Transformation};
use crate::object::get_str;
use crate::resources::Strategy;

/// The class's name.
#[derive(Debug)]
pub(crate) struct PriorityClass(String);

const FIELD: &str = "priorityClassName";

impl PriorityClass {
    pub(crate) fn compile(name: &str, path: &FieldPath, found: &mut Diagnostics) -> Self {
        if let Err(wrong) = check_dns_subdomain(name) {
            found.error(path.clone(), wrong.to_string());
        }
        Self(name.to_owned())
    }
}

impl Transformation for PriorityClass {
    fn apply(&self, terms: &Terms, subject: &mut Subject<'_>, log: &mut Log) {
        let Some(mut pod) = subject.whole_pod(log) else { return };
        let Some(spec) = pod.spec() else { return };
        let set = get_str(spec, &[FIELD]).filter(|name| !name.is_empty());
        if set == Some(&self.0) || (set.is_some() && terms.strategy == Strategy::Default) {
            return;
        }
        log.set(spec, &[FIELD], &Value::from(self.0.as_str()), "spec");
        for computed in ["priority", "preemptionPolicy"] {
            if let Some(before) = spec.remove(computed) {
                log.change(format_args!("spec.{computed}"), Some(before), None);
            }
        }
    }

    fn sets(&self) -> Vec<(String, Value)> {
        vec![("pod.priorityClassName".to_owned(), self.0.as_str().into())]
    }
}
