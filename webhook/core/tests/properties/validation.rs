//! Generated and upstream pods under generated rules.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use sallyport_admission::resources::FailurePolicy;
use sallyport_admission::{
    Context, Decision, Finding, Mode, NAMESPACES_OUT_OF_REACH, Operation, PolicySet, Request, decide, mutate,
    validate,
};
use serde_json::{Value, json};

use crate::{corpus, pods, policies, reading};

/// One of each rule, none so strict or so lax that all pods are alike to it.
fn rules() -> Vec<Value> {
    vec![
        json!({"podSecurity": {"level": "baseline"}}),
        json!({"podSecurity": {"level": "restricted", "version": "v1.25"}}),
        json!({"images": {"registries": ["registry.example.com"], "tags": {"forbidden": ["latest"]}}}),
        json!({"images": {"digest": "Required"}}),
        json!({"metadata": {"requiredLabels": ["app", "tier"], "requiredAnnotations": ["note"]}}),
        json!({"probes": {"required": ["liveness", "readiness"]}}),
        json!({"resources": {"required": {"requests": ["cpu"], "limits": ["memory"]}, "max": {"cpu": "1"}}}),
        json!({"secretsInEnv": "Forbidden"}),
        json!({"serviceAccount": {"named": true}}),
        json!({"spread": "Required"}),
        json!({"requireTraffic": {"jwt": true}}),
        json!({"cel": {"forEach": "containers", "expression": "item.?securityContext.readOnlyRootFilesystem.orValue(false) == true"}}),
        json!({"cel": {"expression": "object.metadata.?labels.x.orValue('') != 'one'", "message": "x is one"}}),
        // Can't be evaluated for pods without labels.
        json!({"cel": {"expression": "object.metadata.labels.app == 'api'"}}),
    ]
}

type Rule = (Value, &'static str);

fn policy(number: usize, failure_policy: &str, rules: Vec<Rule>) -> Value {
    let entries = rules.into_iter().enumerate().map(|(number, (mut rule, mode))| {
        rule["name"] = json!(format!("e{number}"));
        rule["mode"] = json!(mode);
        rule
    });
    json!({
        "metadata": {"name": format!("p{number}")},
        "spec": {
            "match": {"kinds": ["Pod"]},
            "failurePolicy": failure_policy,
            "validate": entries.collect::<Vec<_>>(),
        },
    })
}

fn set(policies: &[Value]) -> PolicySet {
    PolicySet::new(policies.iter().map(reading::policy).collect())
}

fn validating() -> impl Strategy<Value = Vec<Value>> {
    let rule = (select(rules()), select(vec!["Enforce", "Enforce", "Warn", "Audit"]));
    let policy = (select(vec!["Fail", "Ignore"]), vec(rule, 1..=4));
    vec(policy, 1..=3).prop_map(|policies| {
        let numbered = policies.into_iter().enumerate();
        numbered.map(|(number, (failure, rules))| self::policy(number, failure, rules)).collect()
    })
}

fn every_rule() -> Vec<Value> {
    vec![policy(0, "Fail", rules().into_iter().map(|rule| (rule, "Enforce")).collect())]
}

fn lines(findings: &[Finding]) -> BTreeSet<String> {
    findings.iter().map(|f| format!("{} {:?} {}: {}", f.source, f.mode, f.path, f.message)).collect()
}

/// What must hold of every decision about the creation of `pod`.
#[track_caller]
fn hold(policies: &[Value], pod: &Value) {
    let whole = set(policies);
    let request = reading::creation(pod);
    let decision = validate(&whole, &request, &Context::default());

    every_finding_is_complete(&decision);
    only_what_is_enforced_refuses(&decision);
    all_policies_speak_for_themselves(policies, &request, &decision);
    each_webhook_entry_has_its_share(&whole, &request, &decision);
    an_update_that_changes_nothing_passes(&whole, pod, &decision);
    an_update_of_the_spec_is_judged_as_new(&whole, pod);
    the_control_plane_is_out_of_reach(&whole, pod);
    a_mirror_pod_is_its_kubelet_s(&whole, pod);
}

#[track_caller]
fn every_finding_is_complete(decision: &Decision) {
    let findings = [&decision.violations, &decision.warnings, &decision.skipped];
    for finding in findings.into_iter().flatten() {
        assert!(!finding.source.policy.is_empty() && !finding.source.entry.is_empty(), "{finding:?}");
        assert!(!finding.message.trim().is_empty() && finding.message.len() < 1024, "{finding:?}");
        assert!(!finding.message.ends_with('.') && !finding.message.contains('\n'), "{finding:?}");
    }
}

#[track_caller]
fn only_what_is_enforced_refuses(decision: &Decision) {
    assert_eq!(decision.allowed, decision.violations.is_empty());
    assert!(decision.violations.iter().all(|found| found.mode == Mode::Enforce));
    assert!(decision.warnings.iter().all(|found| found.mode != Mode::Enforce));
    assert!(decision.patch.0.is_empty() && decision.mutated.is_none() && decision.changes.is_empty());
}

/// All violations at once, and none because of another policy.
#[track_caller]
fn all_policies_speak_for_themselves(policies: &[Value], request: &Request, decision: &Decision) {
    let mut alone = (BTreeSet::new(), BTreeSet::new());
    for policy in policies {
        let one = validate(&set(std::slice::from_ref(policy)), request, &Context::default());
        alone.0.extend(lines(&one.violations));
        alone.1.extend(lines(&one.warnings));
    }
    assert_eq!((lines(&decision.violations), lines(&decision.warnings)), alone);
}

#[track_caller]
fn each_webhook_entry_has_its_share(set: &PolicySet, request: &Request, whole: &Decision) {
    let mut joined = BTreeSet::new();
    for failure_policy in [FailurePolicy::Fail, FailurePolicy::Ignore] {
        let share =
            validate(set, request, &Context { failure_policy: Some(failure_policy), ..Context::default() });
        joined.extend(lines(&share.violations));
        joined.extend(lines(&share.warnings));
    }
    let whole: BTreeSet<String> = lines(&whole.violations).union(&lines(&whole.warnings)).cloned().collect();
    assert_eq!(joined, whole);
}

#[track_caller]
fn an_update_that_changes_nothing_passes(set: &PolicySet, pod: &Value, creation: &Decision) {
    let mut new = pod.clone();
    new["metadata"]["finalizers"] = json!([]);
    let decision = validate(set, &update(pod, &new), &Context::default());
    assert!(decision.allowed, "{:#?}", decision.violations);
    let told = decision.warnings.len() + decision.skipped.len();
    let found = creation.violations.len() + creation.warnings.len() + creation.skipped.len();
    assert_eq!(told, found, "{decision:#?}\nthen\n{creation:#?}");
}

#[track_caller]
fn an_update_of_the_spec_is_judged_as_new(set: &PolicySet, pod: &Value) {
    let mut new = pod.clone();
    new["spec"]["activeDeadlineSeconds"] = json!(77);
    let created = validate(set, &reading::creation(&new), &Context::default());
    let updated = validate(set, &update(pod, &new), &Context::default());
    assert_eq!(lines(&updated.violations), lines(&created.violations));
}

fn update(old: &Value, new: &Value) -> Request {
    let mut request = reading::creation(new);
    request.operation = Operation::Update;
    request.old_object = old.clone();
    request
}

#[track_caller]
fn the_control_plane_is_out_of_reach(set: &PolicySet, pod: &Value) {
    for namespace in NAMESPACES_OUT_OF_REACH {
        let mut request = reading::creation(pod);
        namespace.clone_into(&mut request.namespace);
        let decision = decide(set, &request, &Context::default());
        assert!(decision.allowed && decision.warnings.is_empty() && decision.skipped.is_empty());
    }
}

#[track_caller]
fn a_mirror_pod_is_its_kubelet_s(set: &PolicySet, pod: &Value) {
    let mut mirror = pod.clone();
    mirror["metadata"]["annotations"]["kubernetes.io/config.mirror"] = json!("0a1b");
    mirror["spec"]["nodeName"] = json!("n1");
    let mut request = reading::creation(&mirror);
    "system:node:n1".clone_into(&mut request.user_info.username);
    let decision = decide(set, &request, &Context::default());
    assert!(decision.allowed && decision.warnings.is_empty() && decision.patch.0.is_empty());

    "system:node:n2".clone_into(&mut request.user_info.username);
    let forged = validate(set, &request, &Context::default());
    let enforces = set.policies().iter().any(|policy| policy.enforces());
    assert_eq!(forged.violations.iter().any(|v| v.path.contains("config.mirror")), enforces);
}

/// Mutation first: what it hardens is not refused for what its author left out, and is judged as it comes out.
#[track_caller]
fn both_gates_are_one_after_the_other(mutating: &PolicySet, policies: &[Value], pod: &Value) {
    let request = reading::creation(pod);
    let mutated = mutate(mutating, &request, &Context::default());
    let validating = set(policies);
    let object = mutated.mutated.unwrap_or_else(|| pod.clone());
    let judged = validate(&validating, &reading::creation(&object), &Context::default());
    let again = validate(&validating, &reading::creation(&object), &Context::default());
    assert_eq!(lines(&judged.violations), lines(&again.violations), "the same question has one answer");
    let both = decide(&validating, &request, &Context::default());
    let alone = validate(&validating, &request, &Context::default());
    assert_eq!(lines(&both.violations), lines(&alone.violations));
}

#[test]
fn the_invariants_hold_of_every_pod_of_the_corpus() {
    let policies = every_rule();
    let mut refused = 0;
    let pods = corpus::pods();
    for pod in &pods {
        hold(&policies, pod);
        let baseline = vec![policy(0, "Fail", vec![(rules().swap_remove(0), "Enforce")])];
        refused +=
            usize::from(!validate(&set(&baseline), &reading::creation(pod), &Context::default()).allowed);
    }
    assert!(refused > 50 && refused < pods.len(), "{refused} of {} pods are refused", pods.len());
}

/// Anything at all in place of one of a pod's fields.
fn nonsense() -> impl Strategy<Value = Value> {
    select(vec![
        Value::Null,
        json!(true),
        json!(-1),
        json!(1.5),
        json!("x"),
        json!([]),
        json!({}),
        json!([null]),
        json!([[{}]]),
        json!({"name": 1}),
    ])
}

/// Puts `value` in the place of the `at`-th field, counted through the whole object.
fn replace(object: &mut Value, at: &mut usize, value: &Value) -> bool {
    let fields: Vec<&mut Value> = match object {
        Value::Object(fields) => fields.values_mut().collect(),
        Value::Array(elements) => elements.iter_mut().collect(),
        _ => Vec::new(),
    };
    for field in fields {
        if *at == 0 {
            field.clone_from(value);
            return true;
        }
        *at -= 1;
        if replace(field, at, value) {
            return true;
        }
    }
    false
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_invariants_hold(pod in pods::pods(), policies in validating()) {
        hold(&policies, &pod);
    }

    #[test]
    fn what_is_judged_is_what_comes_out(
        pod in pods::pods(), mutating in policies::default_sets(), policies in validating(),
    ) {
        both_gates_are_one_after_the_other(&mutating, &policies, &pod);
    }

    #[test]
    fn no_shape_of_an_object_panics(
        pod in pods::pods(), at in 0_usize..200, value in nonsense(), changing in policies::sets(),
    ) {
        let mut pod = pod;
        replace(&mut pod["spec"], &mut { at }, &value);
        let request = reading::creation(&pod);
        let _ = validate(&set(&every_rule()), &request, &Context::default());
        let _ = mutate(&changing, &request, &Context::default());
        let update = Request { object: value, ..update(&pod, &pod) };
        let _ = validate(&set(&every_rule()), &update, &Context::default());
    }
}
