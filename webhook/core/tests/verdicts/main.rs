//! What becomes of a violation: by mode, operation, controller, exception, and who asks.

mod controllers;
mod exceptions;
mod guards;
mod modes;
mod operations;
mod registration;
mod updates;

#[path = "../reading/mod.rs"]
mod reading;

use sallyport_admission::{Context, Decision, Finding, PolicySet, Request, validate};
use serde_json::{Value, json};

/// Refuses images of `bad.example`.
fn policy(name: &str, spec: Value) -> Value {
    let mut policy = json!({
        "apiVersion": "sallyport.dev/v1alpha1", "kind": "WorkloadPolicy", "metadata": {"name": name},
        "spec": {
            "match": {"kinds": ["Pod"]},
            "validate": [{"name": "images", "cel": {
                "forEach": "containers",
                "expression": "!item.image.startsWith('bad.example/')",
                "message": "images come from elsewhere",
            }}],
        },
    });
    for (field, value) in spec.as_object().expect("a spec is an object") {
        policy["spec"][field] = value.clone();
    }
    policy
}

fn set(policies: &[Value]) -> PolicySet {
    PolicySet::new(policies.iter().map(reading::policy).collect())
}

fn bad_pod() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "api", "namespace": "shop", "labels": {"app": "api"}},
        "spec": {"containers": [{"name": "api", "image": "bad.example/api:1"}]},
    })
}

/// A Deployment whose template is `pod`'s.
fn deployment(pod: &Value) -> Value {
    let labels = pod["metadata"]["labels"].clone();
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "api", "namespace": "shop"},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod["spec"]},
        },
    })
}

/// The request that makes `new` of `old`.
fn update(old: &Value, new: &Value) -> Request {
    let mut request = reading::creation(new);
    request.operation = sallyport_admission::Operation::Update;
    request.old_object = old.clone();
    request
}

fn judge(set: &PolicySet, request: &Request) -> Decision {
    validate(set, request, &Context::default())
}

/// `policy/entry path`, a line for each.
fn told(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(|finding| format!("{} {}", finding.source, finding.path)).collect()
}

/// What is refused and what is only told, at once.
#[track_caller]
fn check(decision: &Decision, violations: &[&str], warnings: &[&str]) {
    assert_eq!(told(&decision.violations), violations, "violations of {decision:#?}");
    assert_eq!(told(&decision.warnings), warnings, "warnings of {decision:#?}");
    assert_eq!(decision.allowed, violations.is_empty(), "{decision:#?}");
    assert!(decision.patch.0.is_empty() && decision.mutated.is_none());
}
