//! Audit annotations: what the API server's own audit log keeps of a decision.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt::Write as _;

use sallyport_admission::{Decision, Finding, Mode, Source};
use sha2::{Digest as _, Sha256};

use super::bounded;
use super::response::{About, by_source, paths};
use crate::plain::cut;

/// The bytes that the value of one audit annotation may have.
const ANNOTATION_BYTES: usize = 1024;
/// The audit annotations that a response may have.
const ANNOTATIONS: usize = 64;

/// The name part of a Kubernetes qualified name has at most so many bytes.
const KEY_BYTES: usize = 63;

/// One annotation for each entry and what it did: `policy.entry` names the fields it set (`TrafficPolicy_shop_api.` and a
/// hash those that TrafficPolicy shop/api had set), `would-change.policy.entry`
/// those it would have set in Warn or Audit mode, `denied.…` what it refuses, `excepted.…` what it would refuse but for
/// a PolicyException, `skipped.…` what it left alone and why, `found.…` what it warned of. The API server keeps them
/// for years, so no secret is in them; it keeps those of a request that is refused, too.
pub(super) fn annotations(decision: &Decision) -> BTreeMap<String, String> {
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
        let whole = whole(prefix, source);
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

fn whole(prefix: &str, source: &Source) -> String {
    let dot = if source.entry.is_empty() { "" } else { "." };
    format!("{prefix}{}{dot}{}", source.policy, source.entry)
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
    for c in whole(prefix, source).chars() {
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
    // Nothing at all has no beginning.
    if key.is_empty() { hash } else { format!("{key}.{hash}") }
}

#[cfg(test)]
mod tests {
    use sallyport_admission::Change;
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
