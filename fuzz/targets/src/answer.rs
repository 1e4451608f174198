//! What must hold of every decision, and of the bytes that answer it.

use std::collections::BTreeSet;

use sallyport::server::response::encode;
use sallyport_admission::{Decision, Finding, Mode};
use serde_json::Value;

/// Kubernetes' own bounds on what a webhook answers: api/admission/v1/types.go, AdmissionResponse.
const WARNING_BYTES: usize = 256;
const WARNINGS_BYTES: usize = 4096;

/// Checks a decision as the API server gets it.
#[track_caller]
pub(crate) fn hold(decision: &Decision) {
    assert_eq!(decision.allowed, decision.violations.is_empty(), "{decision:#?}");
    let all = [&decision.violations, &decision.warnings, &decision.skipped, &decision.excepted];
    for finding in all.into_iter().flatten() {
        assert!(!finding.message.trim().is_empty(), "{finding:?}");
    }
    let bytes = encode("0a1b2c3d", decision, true).expect("an answer is JSON");
    let answer: Value = serde_json::from_slice(&bytes).expect("an answer is JSON");
    let response = &answer["response"];
    assert_eq!(response["uid"], "0a1b2c3d");
    assert_eq!(response["allowed"], decision.allowed);
    assert_eq!(response["patch"].is_string(), decision.allowed && !decision.patch.0.is_empty());
    let warnings: Vec<&str> =
        response["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    assert!(warnings.iter().all(|warning| warning.len() <= WARNING_BYTES), "{warnings:#?}");
    assert!(warnings.iter().map(|warning| warning.len()).sum::<usize>() <= WARNINGS_BYTES, "{warnings:#?}");
    for line in &warnings {
        assert!(!line.is_empty() && !line.contains(char::is_control), "{line:?}");
    }
    for key in response["auditAnnotations"].as_object().into_iter().flatten().map(|(key, _)| key) {
        assert!(is_qualified(key), "{key:?} is no name of an annotation");
    }
}

/// The name part of a qualified name, as apimachinery's IsQualifiedName has it.
fn is_qualified(key: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    key.len() <= 63
        && key.chars().all(inner)
        && key.starts_with(|c: char| c.is_ascii_alphanumeric())
        && key.ends_with(|c: char| c.is_ascii_alphanumeric())
}

/// The findings as lines, to be compared.
pub(crate) fn lines(findings: &[Finding]) -> BTreeSet<String> {
    findings.iter().map(|f| format!("{} {:?} {}: {}", f.source, f.mode, f.path, f.message)).collect()
}

/// How many changes are returned.
pub(crate) fn enforced(decision: &Decision) -> usize {
    decision.changes.iter().filter(|change| change.mode == Mode::Enforce).count()
}
