//! Decisions about Sallyport's own resources, and about what it attaches its filter with.

use std::sync::Arc;

use sallyport_admission::guard::{ended_selections, meddling};
use sallyport_admission::{Decision, Finding, Mode, Request, Source, TrafficSelector};
use sallyport_policy::{GROUP, Severity};

use crate::policies::{InForce, load};
use crate::source::{SourceText, parse};

/// Whether a resource is right, whether nobody needs what it takes away, and whether whoever changes what attaches the
/// filter is `account`: Sallyport itself. Where that is nobody, it attaches nothing.
pub(crate) fn check(in_force: &InForce, account: Option<&str>, request: &Request) -> Decision {
    let mut decision = Decision::default();
    let set = &in_force.set;
    if request.kind.group == GROUP {
        let becomes = if request.object.is_null() { None } else { compile(request, &mut decision) };
        if request.kind.kind == "TrafficPolicy" && decision.violations.is_empty() {
            let namespace = in_force.namespace(&request.namespace);
            decision.violations = ended_selections(set, request, namespace, becomes.as_ref());
        }
    } else if !set.traffic().is_empty() {
        decision.violations.extend(account.and_then(|account| meddling(request, account)));
    }
    decision.allowed = decision.violations.is_empty();
    decision
}

/// Adds what is wrong or doubtful about a resource to the decision. Whom it selects, where it is a TrafficPolicy.
fn compile(request: &Request, decision: &mut Decision) -> Option<TrafficSelector> {
    // The very code that reads files, so that both say the same of the same resource.
    let text = SourceText::of_value("request", &request.object);
    let (documents, errors) = parse(&Arc::new(text));
    let loaded = load(documents, &errors);
    let finding = |path: String, message: String| Finding {
        source: Source::whole(&request.name),
        mode: Mode::Enforce,
        path,
        message,
    };
    for located in loaded.findings {
        let diagnostic = located.diagnostic;
        let found = finding(diagnostic.path.to_string(), diagnostic.message);
        match diagnostic.severity {
            Severity::Error => decision.violations.push(found),
            Severity::Warning => decision.warnings.push(found),
        }
    }
    loaded.set.traffic().first().cloned()
}
