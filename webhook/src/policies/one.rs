//! One object of the API server's, compiled.

use std::sync::Arc;

use sallyport_admission::{Exception, Policy, TrafficSelector};
use sallyport_attach::Plugin;
use sallyport_policy::Diagnostic;
use serde_json::Value;

use super::digest::{self, Hash};
use super::load::{policy_exception, workload_policy};
use super::traffic::{traffic_policy, traffic_policy_name, traffic_selector};
use crate::source::{Document, Located, SourceText, parse};

/// What an object says.
#[derive(Clone, Debug)]
pub(crate) enum Said {
    Policy(Arc<Policy>),
    Exception(Exception),
    Traffic { plugin: Arc<Plugin>, selector: TrafficSelector },
}

/// An object that was read.
#[derive(Clone, Debug)]
pub(crate) struct One {
    /// What it says; `None` where that is wrong.
    pub(crate) said: Option<Said>,
    /// What is wrong or doubtful about it.
    pub(crate) findings: Vec<Diagnostic>,
    pub(crate) hash: Hash,
}

/// Compiles an object of this kind: one of Sallyport's own. `created` is its creation by the API server's clock, in Unix
/// seconds.
pub(crate) fn compile(object: &Value, created: Option<i64>) -> One {
    let hash = digest::hash(object);
    // The very code that reads files, so that both say the same of the same resource.
    let (documents, errors) = parse(&Arc::new(SourceText::of_value("object", object)));
    let mut findings: Vec<Located> = errors.iter().map(Located::from).collect();
    let said = documents.first().and_then(|document| read(document, created, &mut findings));
    let findings = findings.into_iter().map(|located| located.diagnostic).collect();
    One { said, findings, hash }
}

fn read(document: &Document, created: Option<i64>, findings: &mut Vec<Located>) -> Option<Said> {
    match document.kind() {
        "WorkloadPolicy" => workload_policy(document, findings).map(|policy| Said::Policy(Arc::new(policy))),
        "PolicyException" => policy_exception(document, created, findings).map(Said::Exception),
        _ => {
            let spec = traffic_policy(document, findings)?;
            let policy = traffic_policy_name(document);
            let selector = traffic_selector(&policy, &spec);
            Some(Said::Traffic { plugin: Arc::new(Plugin { policy, spec }), selector })
        }
    }
}
