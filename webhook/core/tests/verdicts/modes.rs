//! Enforce, Warn and Audit, of a policy and of an entry.

use std::cell::Cell;

use sallyport_admission::resources::FailurePolicy;
use sallyport_admission::{Awaited, Context, Mode, mutate, validate};
use serde_json::json;

use crate::{bad_pod, check, judge, policy, reading, set};

const AT: &str = "p/images spec.containers[api]";

#[test]
fn only_enforce_refuses() {
    let request = reading::creation(&bad_pod());
    for (mode, violations, warnings) in
        [("Enforce", vec![AT], vec![]), ("Warn", vec![], vec![AT]), ("Audit", vec![], vec![AT])]
    {
        let decision = judge(&set(&[policy("p", json!({"mode": mode}))]), &request);
        check(&decision, &violations, &warnings);
        let found = decision.violations.iter().chain(&decision.warnings);
        assert!(found.into_iter().all(|f| json!(f.mode) == mode), "{decision:#?}");
    }
}

#[test]
fn an_entry_has_its_own_mode() {
    let mut one = policy("p", json!({"mode": "Warn"}));
    one["spec"]["validate"][0]["mode"] = json!("Enforce");
    let mut two = policy("q", json!({}));
    two["spec"]["validate"][0]["mode"] = json!("Audit");
    let decision = judge(&set(&[one, two]), &reading::creation(&bad_pod()));
    check(&decision, &[AT], &["q/images spec.containers[api]"]);
    assert_eq!(decision.warnings[0].mode, Mode::Audit);
}

#[test]
fn every_violation_is_told_and_not_the_first() {
    let mut pod = bad_pod();
    for (i, list) in ["initContainers", "containers", "ephemeralContainers"].iter().enumerate() {
        pod["spec"][list] = json!([
            {"name": format!("a{i}"), "image": "bad.example/a"}, {"name": format!("b{i}"), "image": "good.example/b"},
            {"name": format!("c{i}"), "image": "bad.example/c"},
        ]);
    }
    let set = set(&[policy("p", json!({})), policy("q", json!({"priority": -1}))]);
    let decision = judge(&set, &reading::creation(&pod));
    let places = ["initContainers[a0]", "initContainers[c0]", "containers[a1]", "containers[c1]"];
    let places = places.into_iter().chain(["ephemeralContainers[a2]", "ephemeralContainers[c2]"]);
    let places: Vec<&str> = places.collect();
    let of = |policy: &str| -> Vec<String> {
        places.iter().map(|place| format!("{policy}/images spec.{place}")).collect()
    };
    assert_eq!(crate::told(&decision.violations), [of("q"), of("p")].concat());
}

#[test]
fn a_webhook_entry_asks_only_its_own_policies() {
    let set = set(&[policy("p", json!({})), policy("q", json!({"failurePolicy": "Ignore"}))]);
    let request = reading::creation(&bad_pod());
    let asked = |failure_policy| validate(&set, &request, &Context { failure_policy, ..Context::default() });
    check(&asked(None), &[AT, "q/images spec.containers[api]"], &[]);
    check(&asked(Some(FailurePolicy::Fail)), &[AT], &[]);
    check(&asked(Some(FailurePolicy::Ignore)), &["q/images spec.containers[api]"], &[]);
}

#[test]
fn what_can_t_be_evaluated_refuses_where_the_policy_fails_closed_and_enforces() {
    let broken = |spec| {
        let mut policy = policy("p", spec);
        policy["spec"]["validate"][0]["cel"]["expression"] = json!("item.command[0] == 'sh'");
        set(&[policy])
    };
    let request = reading::creation(&bad_pod());
    let decision = judge(&broken(json!({})), &request);
    assert!(!decision.allowed && decision.violations[0].message.ends_with("and failurePolicy is Fail"));
    for spec in [json!({"failurePolicy": "Ignore"}), json!({"mode": "Warn"}), json!({"mode": "Audit"})] {
        let decision = judge(&broken(spec), &request);
        assert!(decision.allowed && decision.skipped.len() == 1, "{decision:#?}");
    }
    // So does a condition of the entry, and one of the policy.
    let mut when = policy("p", json!({}));
    when["spec"]["validate"][0]["when"] = json!("object.spec.nothing == true");
    assert!(!judge(&set(&[when]), &request).allowed);
    let scope =
        json!({"kinds": ["Pod"], "conditions": [{"name": "c", "expression": "object.spec.nothing == true"}]});
    assert!(!judge(&set(&[policy("p", json!({"match": scope}))]), &request).allowed);
}

#[test]
fn a_decision_that_nobody_waits_for_ends_before_the_next_entry_and_refuses() {
    let rule = |name: &str| json!({"name": name, "cel": {"expression": "false", "message": "no"}});
    let set = set(&[policy(
        "p",
        json!({"mode": "Warn", "validate": [rule("first"), rule("second"), rule("third")]}),
    )]);
    let asked = Cell::new(0);
    let is_awaited = || asked.replace(asked.get() + 1) < 1;
    let context = Context { awaited: Awaited::while_true(&is_awaited), ..Context::default() };
    let decision = validate(&set, &reading::creation(&bad_pod()), &context);
    check(&decision, &["p/second "], &["p/first "]);
    assert!(!decision.allowed && decision.violations[0].message.contains("nobody waits"), "{decision:?}");
}

#[test]
fn a_mutation_that_nobody_waits_for_gives_nothing_and_refuses() {
    let label = |name: &str| json!({"name": name, "metadata": {"labels": {(name): "x"}}});
    for mode in ["Enforce", "Audit"] {
        let set = set(&[policy("p", json!({"mode": mode, "mutate": [label("first"), label("second")]}))]);
        let asked = Cell::new(0);
        let is_awaited = || asked.replace(asked.get() + 1) < 1;
        let context = Context { awaited: Awaited::while_true(&is_awaited), ..Context::default() };
        let decision = mutate(&set, &reading::creation(&bad_pod()), &context);
        check(&decision, &["p/second "], &[]);
        assert!(!decision.allowed && decision.violations[0].message.contains("nobody waits"), "{decision:?}");
        assert!(decision.patch.is_empty() && decision.mutated.is_none() && decision.changes.is_empty());
    }
}
