//! What the API server is told: a decision as an AdmissionReview, admission.k8s.io/v1.
//!
//! Everything is bounded, whatever was decided: a warning has at most 256 bytes and all together 4 KiB (the API
//! server cuts beyond that), a denial 16 KiB, an audit annotation 1 KiB.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sallyport_admission::{Change, Decision, Finding, Mode, Source};
use serde::Serialize;

use super::annotations::annotations;
use super::bounded;
use super::review::{API_VERSION, KIND};
use crate::plain::{cut, plain, redacted};

/// The bytes that one warning may have.
pub const WARNING_BYTES: usize = 256;
/// The bytes that all warnings of a response may have together.
pub const WARNINGS_BYTES: usize = 4096;
/// The bytes that a denial's message may have.
pub const MESSAGE_BYTES: usize = 16 * 1024;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Review<'a> {
    api_version: &'static str,
    kind: &'static str,
    response: Response<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
    uid: &'a str,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    audit_annotations: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct Status {
    status: &'static str,
    message: String,
    reason: &'static str,
    code: u16,
}

/// The response's bytes: an AdmissionReview that answers `uid`.
///
/// The patch is returned only where the request is allowed and `patches` says that this path may return one.
///
/// # Errors
/// Where the patch cannot be written as JSON, which serde_json does not do for any `Value`.
pub fn encode(uid: &str, decision: &Decision, patches: bool) -> serde_json::Result<Vec<u8>> {
    let patch = if decision.allowed && patches && !decision.patch.0.is_empty() {
        Some(BASE64.encode(serde_json::to_vec(&decision.patch)?))
    } else {
        None
    };
    let response = Response {
        uid,
        allowed: decision.allowed,
        status: (!decision.allowed).then(|| Status {
            status: "Failure",
            message: denial(&decision.violations),
            reason: "Forbidden",
            code: 403,
        }),
        patch_type: patch.is_some().then_some("JSONPatch"),
        patch,
        warnings: warnings(decision),
        audit_annotations: annotations(decision),
    };
    serde_json::to_vec(&Review { api_version: API_VERSION, kind: KIND, response })
}

/// `policy/entry: path: message`, in one line.
struct Line<'a>(&'a Finding);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", shown(&self.0.source.to_string()), About(self.0))
    }
}

/// `path: message`, in one line; the message alone where it is about the object as a whole.
pub(super) struct About<'a>(pub(super) &'a Finding);

impl fmt::Display for About<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = shown(&self.0.message);
        if self.0.path.is_empty() {
            f.write_str(&message)
        } else {
            write!(f, "{}: {message}", shown(&self.0.path))
        }
    }
}

/// What of a text leaves: the API server keeps denials and annotations in its audit log, and pipelines keep warnings
/// in theirs. Before anything is cut: half a card number is not seen for one.
pub(super) fn shown(text: &str) -> Cow<'_, str> {
    redacted(text, plain)
}

fn denial(violations: &[Finding]) -> String {
    if violations.is_empty() {
        return "refused, without a violation that says why".to_owned();
    }
    bounded::join(violations.iter().map(Line), "\n", MESSAGE_BYTES)
}

/// First what is wrong, then what would be changed: a line for each finding, and one for each entry in Warn mode.
fn warnings(decision: &Decision) -> Vec<String> {
    let found =
        decision.warnings.iter().filter(|finding| finding.mode != Mode::Audit).map(|f| Line(f).to_string());
    let changes = by_source(decision.changes.iter().filter(|change| change.mode == Mode::Warn), |change| {
        &change.source
    });
    let would = changes.into_iter().map(|(source, changes)| would(source, &changes));
    let mut warnings = Vec::new();
    let mut bytes = 0;
    let mut all = found.chain(would);
    while let Some(warning) = all.next() {
        let warning = cut(plain(&warning), WARNING_BYTES).into_owned();
        // Room is kept for the line that counts the others.
        if bytes + warning.len() > WARNINGS_BYTES - 64 {
            warnings.push(format!("… and {} more warnings", all.count() + 1));
            break;
        }
        bytes += warning.len();
        warnings.push(warning);
    }
    warnings
}

/// `policy/entry would set a, b, and remove c`, in at most [`WARNING_BYTES`].
fn would(source: &Source, changes: &[&Change]) -> String {
    let (removed, set): (Vec<_>, Vec<_>) = changes.iter().partition(|change| change.after.is_none());
    let mut text = format!("{} would ", shown(&source.to_string()));
    let half = if set.is_empty() || removed.is_empty() { 1 } else { 2 };
    let room = WARNING_BYTES.saturating_sub(text.len() + "remove , and set ".len()) / half;
    if !set.is_empty() {
        let _ = write!(text, "set {}", bounded::join(paths(&set), ", ", room));
    }
    if half == 2 {
        text.push_str(", and ");
    }
    if !removed.is_empty() {
        let _ = write!(text, "remove {}", bounded::join(paths(&removed), ", ", room));
    }
    text
}

/// Each path once, in the order of the changes.
pub(super) fn paths<'a>(changes: &[&'a Change]) -> Vec<Cow<'a, str>> {
    let mut seen = BTreeSet::new();
    let changed = changes.iter().filter(|change| seen.insert(change.path.as_str()));
    changed.map(|change| shown(&change.path)).collect()
}

pub(super) fn by_source<'a, T: 'a>(
    items: impl IntoIterator<Item = &'a T>,
    source: impl Fn(&'a T) -> &'a Source,
) -> BTreeMap<&'a Source, Vec<&'a T>> {
    let mut groups: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for item in items {
        groups.entry(source(item)).or_default().push(item);
    }
    groups
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn source(policy: &str, entry: &str) -> Source {
        Source::validation(policy, entry)
    }

    fn finding(policy: &str, entry: &str, path: &str, message: &str) -> Finding {
        Finding {
            source: source(policy, entry),
            mode: Mode::Warn,
            path: path.to_owned(),
            message: message.to_owned(),
        }
    }

    fn change(entry: &str, mode: Mode, path: &str, after: Option<Value>) -> Change {
        Change { source: source("team", entry), mode, path: path.to_owned(), before: None, after }
    }

    fn encoded(decision: &Decision) -> Value {
        serde_json::from_slice(&encode("u-1", decision, true).unwrap()).unwrap()
    }

    #[test]
    fn an_allowed_request_that_nothing_changes_is_answered_with_nothing_else() {
        let response = encoded(&Decision { allowed: true, ..Decision::default() });
        assert_eq!(
            response,
            json!({"apiVersion": API_VERSION, "kind": KIND, "response": {"uid": "u-1", "allowed": true}})
        );
    }

    #[test]
    fn a_patch_is_base64_of_json_and_never_beside_a_denial() {
        let patch: json_patch::Patch =
            serde_json::from_value(json!([{"op": "add", "path": "/spec/a", "value": "é"}])).unwrap();
        let mut decision = Decision { allowed: true, patch: patch.clone(), ..Decision::default() };
        let response = encoded(&decision);
        assert_eq!(response["response"]["patchType"], "JSONPatch");
        let bytes = BASE64.decode(response["response"]["patch"].as_str().unwrap()).unwrap();
        assert_eq!(serde_json::from_slice::<json_patch::Patch>(&bytes).unwrap(), patch);
        let other: Value = serde_json::from_slice(&encode("u", &decision, false).unwrap()).unwrap();
        assert_eq!(other["response"].get("patch"), None);
        decision.allowed = false;
        assert_eq!(encoded(&decision)["response"].get("patch"), None);
        assert_eq!(encoded(&decision)["response"].get("patchType"), None);
    }

    #[test]
    fn a_denial_names_every_violation_on_a_line_of_its_own() {
        let violations = vec![
            finding("team", "images", "spec.containers[api].image", "docker.io/x\nis not allowed"),
            finding("team", "account", "", "a named service account is wanted"),
        ];
        let response = encoded(&Decision { violations, ..Decision::default() });
        let message = "team/images: spec.containers[api].image: docker.io/x is not allowed\n\
                       team/account: a named service account is wanted";
        assert_eq!(
            response["response"]["status"],
            json!({"status": "Failure", "code": 403, "reason": "Forbidden", "message": message})
        );
    }

    #[test]
    fn warnings_hold_no_control_characters_and_keep_to_their_bounds() {
        let found: Vec<_> =
            (0..500).map(|n| finding("team", "w", &format!("spec.é{n}"), &"wide ü\t".repeat(60))).collect();
        let all = warnings(&Decision { warnings: found, ..Decision::default() });
        assert!(all.iter().all(|w| w.len() <= WARNING_BYTES && !w.contains(char::is_control)));
        assert!(all.iter().map(String::len).sum::<usize>() <= WARNINGS_BYTES);
        let shown = all.len() - 1;
        assert_eq!(all[shown], format!("… and {} more warnings", 500 - shown));
    }

    #[test]
    fn nothing_that_leaves_holds_a_card_number_or_a_secret_wherever_it_is_cut() {
        for padding in 0..300 {
            let text = format!("{} 4111 1111 1111 1111 password=hunter2", "x".repeat(padding));
            let findings = vec![finding("team", "e", &text, &text); 3];
            let decision = Decision {
                violations: findings.clone(),
                excepted: findings.clone(),
                warnings: findings,
                changes: vec![change("c", Mode::Warn, &text, None), change("d", Mode::Enforce, &text, None)],
                ..Decision::default()
            };
            let answer = encoded(&decision).to_string();
            assert!(!answer.contains("1111") && !answer.contains("hunter"), "{answer}");
        }
    }

    #[test]
    fn no_part_of_a_finding_breaks_a_line_or_steers_a_terminal() {
        let odd = "a\nb\u{1b}[2J\u{9b}\u{202e}c";
        let violations = vec![finding(odd, odd, odd, odd), finding("team", "images", "spec", "is wrong")];
        let changes = vec![change(odd, Mode::Warn, odd, None)];
        let decision = Decision { warnings: violations.clone(), violations, changes, ..Decision::default() };
        let message = denial(&decision.violations);
        assert_eq!(message.lines().count(), 2, "{message}");
        let lines = warnings(&decision);
        let annotations = annotations(&decision);
        for line in message
            .lines()
            .chain(lines.iter().map(String::as_str))
            .chain(annotations.values().map(String::as_str))
        {
            assert!(!line.contains(crate::plain::steers), "{line:?}");
        }
    }

    #[test]
    fn an_entry_in_warn_mode_says_in_one_warning_what_it_would_change() {
        let changes = vec![
            change("a", Mode::Warn, "spec.x", Some(json!(1))),
            change("b", Mode::Audit, "spec.y", Some(json!(1))),
            change("a", Mode::Warn, "spec.x", Some(json!(2))),
            change("a", Mode::Warn, "spec.z", None),
        ];
        let decision = Decision { allowed: true, changes, ..Decision::default() };
        assert_eq!(warnings(&decision), ["team/a would set spec.x, and remove spec.z"]);
        let many = (0..1000)
            .map(|n| change("a", Mode::Warn, &format!("spec.containers[c{n}].image"), Some(json!(1))));
        let one = warnings(&Decision { changes: many.collect(), ..Decision::default() });
        assert_eq!(one.len(), 1);
        assert!(one[0].len() <= WARNING_BYTES && one[0].ends_with(" more"), "{}", one[0]);
    }
}
