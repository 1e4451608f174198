//! What the policy applies to.

use std::collections::BTreeSet;

use sallyport_policy::{Diagnostics, FieldPath, check_dns_subdomain};

use crate::TrafficPolicySpec;

pub(super) fn check(spec: &TrafficPolicySpec, at: &FieldPath, findings: &mut Diagnostics) {
    match (&spec.selector, spec.target_refs.is_empty()) {
        (None, true) => findings.error(
            at.clone(),
            "the policy applies to nothing: write selector or targetRefs; selector: {} is every pod",
        ),
        (Some(_), false) => findings.error(
            at.field("targetRefs"),
            "selector says already what the policy applies to: write one of the two",
        ),
        _ => {}
    }
    if let Some(selector) = &spec.selector {
        selector.compile(&at.field("selector"), findings);
    }
    let mut seen = BTreeSet::new();
    for (i, target) in spec.target_refs.iter().enumerate() {
        let at = at.field("targetRefs").index(i);
        if let Err(error) = check_dns_subdomain(&target.name) {
            findings.error(at.field("name"), error.to_string());
        }
        if !seen.insert(target) {
            findings.error(at, format!("{:?} {:?} is named twice", target.kind, target.name));
        }
    }
}
