//! What the API server is told: a decision as an AdmissionReview, admission.k8s.io/v1.
//!
//! Everything is bounded, whatever was decided: a warning has at most 256 bytes and all together 4 KiB (the API
//! server cuts beyond that), a denial 16 KiB, an audit annotation 1 KiB.

use std::borrow::Cow;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sallyport_admission::{Change, Decision, Finding, Mode, Source};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::bounded;
use super::review::{API_VERSION, KIND};
use crate::plain::{cut, plain};
use crate::redact::redact;

/// The bytes that one warning may have.
pub const WARNING_BYTES: usize = 256;
/// The bytes that all warnings of a response may have together.
pub const WARNINGS_BYTES: usize = 4096;
/// The bytes that a denial's message may have.
pub const MESSAGE_BYTES: usize = 16 * 1024;
/// The bytes that the value of one audit annotation may have.
pub const ANNOTATION_BYTES: usize = 1024;
/// The audit annotations that a response may have.
pub const ANNOTATIONS: usize = 64;

/// The name part of a Kubernetes qualified name has at most so many bytes.
const KEY_BYTES: usize = 63;

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
struct About<'a>(&'a Finding);

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
fn shown(text: &str) -> Cow<'_, str> {
    match redact(text) {
        Cow::Borrowed(text) => plain(text),
        Cow::Owned(text) => Cow::Owned(plain(&text).into_owned()),
    }
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
fn paths<'a>(changes: &[&'a Change]) -> Vec<Cow<'a, str>> {
    let mut seen = BTreeSet::new();
    let changed = changes.iter().filter(|change| seen.insert(change.path.as_str()));
    changed.map(|change| shown(&change.path)).collect()
}

/// One annotation for each entry and what it did: `policy.entry` names the fields it set, `would-change.policy.entry`
/// those it would have set in Warn or Audit mode, `denied.…` what it refuses, `excepted.…` what it would refuse but for
/// a PolicyException, `skipped.…` what it left alone and why, `found.…` what it warned of. The API server keeps them
/// for years, so no secret is in them; it keeps those of a request that is refused, too.
fn annotations(decision: &Decision) -> BTreeMap<String, String> {
    let mut keys = Keys::default();
    let found = |keys: &mut Keys, prefix: &str, findings: &[Finding]| {
        for (source, findings) in by_source(findings, |finding| &finding.source) {
            keys.add(prefix, source, bounded::join(findings.into_iter().map(About), "; ", ANNOTATION_BYTES));
        }
    };
    // What matters most comes first, where there is no room for all.
    found(&mut keys, "denied.", &decision.violations);
    found(&mut keys, "excepted.", &decision.excepted);
    let (set, would): (Vec<_>, Vec<_>) =
        decision.changes.iter().partition(|change| change.mode == Mode::Enforce);
    for (prefix, changes) in [("", set), ("would-change.", would)] {
        for (source, changes) in by_source(changes, |change| &change.source) {
            keys.add(prefix, source, bounded::join(paths(&changes), ", ", ANNOTATION_BYTES));
        }
    }
    found(&mut keys, "skipped.", &decision.skipped);
    found(&mut keys, "found.", &decision.warnings);
    keys.finish()
}

fn by_source<'a, T: 'a>(
    items: impl IntoIterator<Item = &'a T>,
    source: impl Fn(&'a T) -> &'a Source,
) -> BTreeMap<&'a Source, Vec<&'a T>> {
    let mut groups: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for item in items {
        groups.entry(source(item)).or_default().push(item);
    }
    groups
}

/// Audit annotations under keys that the API server accepts, no two alike.
#[derive(Default)]
struct Keys {
    annotations: BTreeMap<String, String>,
    left_out: usize,
}

impl Keys {
    fn add(&mut self, prefix: &str, source: &Source, value: String) {
        // One is kept for the count of those left out.
        if self.annotations.len() >= ANNOTATIONS - 1 {
            self.left_out += 1;
            return;
        }
        let value = cut(Cow::Owned(value), ANNOTATION_BYTES).into_owned();
        let whole = format!("{prefix}{}.{}", source.policy, source.entry);
        let key = if is_name(&whole) { whole } else { shortened(prefix, source) };
        match self.annotations.entry(key) {
            Entry::Vacant(entry) => {
                entry.insert(value);
            }
            // `a.b` + `c` and `a` + `b.c` meet in one name.
            Entry::Occupied(_) => {
                self.annotations.insert(shortened(prefix, source), value);
            }
        }
    }

    fn finish(mut self) -> BTreeMap<String, String> {
        if self.left_out > 0 {
            self.annotations.insert("left-out".to_owned(), format!("{} more entries", self.left_out));
        }
        self.annotations
    }
}

/// Whether the text is the name part of a qualified name: `([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]`, at most 63.
fn is_name(text: &str) -> bool {
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.len() <= KEY_BYTES
        && ends(text.chars().next())
        && ends(text.chars().next_back())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

/// The beginning of the name and a hash of the whole, so that it stays one name.
fn shortened(prefix: &str, source: &Source) -> String {
    let digest = Sha256::digest(format!("{prefix}{}", source.in_full()));
    let hash = digest.iter().take(6).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    let mut key = String::new();
    for c in format!("{prefix}{}.{}", source.policy, source.entry).chars() {
        if key.len() + 1 + hash.len() >= KEY_BYTES {
            break;
        }
        let fits = c.is_ascii_alphanumeric() || (!key.is_empty() && matches!(c, '-' | '_' | '.'));
        key.push(if fits {
            c
        } else if key.is_empty() {
            'x'
        } else {
            '_'
        });
    }
    format!("{key}.{hash}")
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

    #[test]
    fn audit_annotations_say_what_was_changed_would_be_and_was_not() {
        let decision = Decision {
            allowed: true,
            changes: vec![
                change("hardened", Mode::Enforce, "spec.a", Some(json!(1))),
                change("hardened", Mode::Enforce, "spec.b", Some(json!(1))),
                change("soon", Mode::Warn, "spec.c", Some(json!(1))),
                change("later", Mode::Audit, "spec.d", Some(json!(1))),
            ],
            violations: vec![finding("team", "images", "spec.g", "is not allowed")],
            excepted: vec![finding("team", "account", "spec.h", "let in by shop/old: found default")],
            skipped: vec![finding("team", "hardened", "spec.e", "is set by its author")],
            warnings: vec![finding("team", "probes", "spec.f", "has no probe")],
            ..Decision::default()
        };
        let want = [
            ("denied.team.images", "spec.g: is not allowed"),
            ("excepted.team.account", "spec.h: let in by shop/old: found default"),
            ("found.team.probes", "spec.f: has no probe"),
            ("skipped.team.hardened", "spec.e: is set by its author"),
            ("team.hardened", "spec.a, spec.b"),
            ("would-change.team.later", "spec.d"),
            ("would-change.team.soon", "spec.c"),
        ];
        let annotations = annotations(&decision);
        assert_eq!(annotations.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect::<Vec<_>>(), want);
    }

    #[test]
    fn annotation_keys_are_qualified_names_and_stay_apart() {
        let long = "p".repeat(253);
        let sources = [
            source("a.b", "c"),
            source("a", "b.c"),
            source(&long, "one"),
            source(&long, "two"),
            source("-odd", "ü name-"),
            source("", ""),
        ];
        let skipped = sources.iter().map(|source| Finding {
            source: source.clone(),
            mode: Mode::Enforce,
            path: String::new(),
            message: "m".repeat(5000),
        });
        let changes = sources.iter().map(|source| Change {
            source: source.clone(),
            mode: Mode::Enforce,
            path: "spec".to_owned(),
            before: None,
            after: None,
        });
        let decision =
            Decision { skipped: skipped.collect(), changes: changes.collect(), ..Decision::default() };
        let annotations = annotations(&decision);
        assert_eq!(annotations.len(), 2 * sources.len());
        assert!(annotations.keys().all(|key| is_name(key)), "{:?}", annotations.keys());
        assert!(annotations.values().all(|value| value.len() <= ANNOTATION_BYTES));
    }

    #[test]
    fn annotations_are_bounded_in_number() {
        let skipped = (0..1000).map(|n| finding("team", &format!("e{n}"), "", "m")).collect();
        let annotations = annotations(&Decision { skipped, ..Decision::default() });
        assert_eq!(annotations.len(), ANNOTATIONS);
        assert_eq!(annotations["left-out"], format!("{} more entries", 1000 - (ANNOTATIONS - 1)));
    }
}
