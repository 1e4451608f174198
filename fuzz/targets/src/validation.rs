//! What any object is refused for under any rules: each policy speaks for itself, exceptions only let in, and what was
//! there before is not refused.

use std::collections::BTreeSet;

use sallyport_admission::resources::FailurePolicy;
use sallyport_admission::{
    Context, Decision, Mode, NAMESPACES_OUT_OF_REACH, Operation, PolicySet, Request, decide, validate,
};
use serde_json::Value;

use crate::answer::{self, lines};
use crate::input;

pub(crate) fn run(bytes: &[u8]) -> bool {
    let Some(input) = input::json(bytes) else { return false };
    let policies = input::policies(&input);
    let request = input::request(&input);
    let now = input["now"].as_i64().unwrap_or_default();
    let context = Context { now, ..Context::default() };
    let set = input::set(&policies);
    let decision = validate(&set, &request, &context);
    answer::hold(&decision);

    only_what_is_enforced_refuses(&decision);
    each_policy_speaks_for_itself(&policies, &request, &context, &decision);
    each_webhook_entry_has_its_share(&set, &request, &context, &decision);
    an_update_that_changes_nothing_passes(&set, &request, &context);
    the_control_plane_is_out_of_reach(&set, &request, &context);
    exceptions_only_let_in(&input, &policies, &request, &context, &decision);
    !policies.is_empty()
}

fn only_what_is_enforced_refuses(decision: &Decision) {
    assert!(decision.violations.iter().all(|found| found.mode == Mode::Enforce));
    assert!(decision.warnings.iter().all(|found| found.mode != Mode::Enforce));
    assert!(decision.patch.0.is_empty() && decision.mutated.is_none() && decision.changes.is_empty());
    for finding in decision.violations.iter().chain(&decision.warnings) {
        assert!(!finding.source.policy.is_empty(), "{finding:?}");
        assert!(!finding.message.ends_with('.') || finding.message.ends_with(".."), "{finding:?}");
    }
}

/// All violations at once, and none because of another policy. Where a pod would be made, its mutations come of all.
fn each_policy_speaks_for_itself(
    policies: &[Value],
    request: &Request,
    context: &Context<'_>,
    decision: &Decision,
) {
    if request.kind.kind != "Pod" {
        return;
    }
    let (mut violations, mut warnings) = (BTreeSet::new(), BTreeSet::new());
    for policy in policies {
        let one = validate(&input::set(std::slice::from_ref(policy)), request, context);
        violations.extend(lines(&one.violations));
        warnings.extend(lines(&one.warnings));
    }
    // A forged mirror pod is refused once, in the name of the first policy that refuses anything.
    let forged = |line: &String| line.contains("config.mirror");
    let mut whole = lines(&decision.violations);
    assert_eq!(whole.iter().any(forged), violations.iter().any(forged));
    whole.retain(|line| !forged(line));
    violations.retain(|line| !forged(line));
    assert_eq!((whole, lines(&decision.warnings)), (violations, warnings));
}

fn each_webhook_entry_has_its_share(
    set: &PolicySet,
    request: &Request,
    context: &Context<'_>,
    whole: &Decision,
) {
    let shares = [FailurePolicy::Fail, FailurePolicy::Ignore]
        .map(|share| validate(set, request, &Context { failure_policy: Some(share), ..*context }));
    let violations: BTreeSet<String> = shares.iter().flat_map(|share| lines(&share.violations)).collect();
    assert!(violations.is_superset(&lines(&whole.violations)), "{violations:#?}\nof\n{whole:#?}");
    assert_eq!(whole.allowed, shares.iter().all(|share| share.allowed));
}

fn an_update_that_changes_nothing_passes(set: &PolicySet, request: &Request, context: &Context<'_>) {
    let object = &request.object;
    if !object.is_object() {
        return;
    }
    let request = Request { operation: Operation::Update, old_object: object.clone(), ..request.clone() };
    let decision = validate(set, &request, context);
    assert!(decision.allowed, "an update that changes nothing is refused: {:#?}", decision.violations);
}

fn the_control_plane_is_out_of_reach(set: &PolicySet, request: &Request, context: &Context<'_>) {
    for namespace in NAMESPACES_OUT_OF_REACH {
        let request = Request { namespace: namespace.to_owned(), ..request.clone() };
        if request.kind.group == sallyport_policy::GROUP {
            continue;
        }
        let decision = decide(set, &request, context);
        assert!(decision.allowed && decision.warnings.is_empty() && decision.patch.0.is_empty());
    }
}

fn exceptions_only_let_in(
    input: &Value,
    policies: &[Value],
    request: &Request,
    context: &Context<'_>,
    without: &Decision,
) {
    let exceptions = input::exceptions(input);
    if exceptions.is_empty() {
        return;
    }
    let set = input::set(policies).excepting(exceptions);
    let with = validate(&set, request, context);
    answer::hold(&with);
    assert!(!without.allowed || with.allowed, "an exception refuses: {:#?}", with.violations);
    if request.kind.kind == "Pod" {
        let fewer = lines(&with.violations);
        assert!(fewer.is_subset(&lines(&without.violations)), "{fewer:#?}");
        assert_eq!(with.violations.len() == without.violations.len(), {
            with.excepted.iter().all(|found| found.mode != Mode::Enforce)
        });
    }
}
