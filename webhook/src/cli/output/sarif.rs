//! SARIF 2.1.0 (OASIS): what code scanners say to those who show it beside the code.
//!
//! A rule is an entry of a policy. A result stands where the offending field stands in the file, and names the line of
//! the policy beside it.

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::{Component, Path};

use sallyport_admission::Source;
use sallyport_policy::FieldPath;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::super::crds::yaml;
use super::super::judge::Judged;
use super::super::told::{Told, Weight, told};
use crate::plain::visible_json;
use crate::policies::Loaded;
use crate::source::{Document, Location, SourceText};

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// A log of one run.
pub(in crate::cli) struct Sarif<'l> {
    loaded: &'l Loaded,
    rules: Vec<Value>,
    indices: HashMap<String, usize>,
    results: Vec<Value>,
}

impl<'l> Sarif<'l> {
    pub(in crate::cli) fn new(loaded: &'l Loaded) -> Self {
        Self { loaded, rules: Vec::new(), indices: HashMap::new(), results: Vec::new() }
    }

    /// Adds what is said about a document.
    pub(in crate::cli) fn add(&mut self, judged: &[Judged<'_>]) {
        let Some(one) = judged.first() else { return };
        // An entry may have more than one thing to say of a field.
        let mut said: HashMap<(String, String), usize> = HashMap::new();
        for told in told(judged) {
            let count = said.entry((told.source.in_full(), told.path.clone())).or_default();
            *count += 1;
            let result = self.result(one, &told, *count);
            self.results.push(result);
        }
    }

    /// The result of what is said as the `nth` of its entry about its field.
    fn result(&mut self, judged: &Judged<'_>, told: &Told<'_>, nth: usize) -> Value {
        let document = judged.document;
        let id = told.source.in_full();
        let level = level(told.weight);
        let policy = self.loaded.locate(told.source);
        let index = *self.indices.entry(id.clone()).or_insert_with(|| {
            let (sort, whole) = description(policy.as_ref().map(|(document, _)| *document), told.source);
            self.rules.push(json!({
                "id": id,
                "shortDescription": {"text": sort},
                "fullDescription": {"text": whole},
                "defaultConfiguration": {"level": level},
            }));
            self.rules.len() - 1
        });
        let object = format!("{} {}", document.kind(), document.name());
        let text = match told.path.as_str() {
            "" => told.message.to_owned(),
            path => format!("{path}: {}", told.message),
        };
        let mut at = physical(&document.origin, &told.location);
        at["logicalLocations"] = json!([{"fullyQualifiedName": format!("{} {}", judged.title(), told.path).trim_end(), "kind": "member"}]);
        let further = nth.to_string();
        let mut parts = vec![document.origin.name(), document.namespace(), &object, &id, told.path.as_str()];
        parts.extend((nth > 1).then_some(further.as_str()));
        let mut result = json!({
            "ruleId": id,
            "ruleIndex": index,
            "level": level,
            "message": {"text": text},
            "locations": [at],
            "partialFingerprints": {"sallyport/v1": fingerprint(&parts)},
        });
        if let Some((policy, location)) = policy {
            let mut at = physical(&policy.origin, &location);
            at["id"] = json!(1);
            at["message"] = json!({"text": "the policy's entry"});
            result["relatedLocations"] = json!([at]);
        }
        result
    }

    /// Writes the log.
    pub(in crate::cli) fn write(self, out: &mut impl Write) -> io::Result<()> {
        let log = json!({
            "$schema": SCHEMA,
            "version": "2.1.0",
            "runs": [{
                "tool": {"driver": {
                    "name": "sallyport",
                    "version": env!("CARGO_PKG_VERSION"),
                    "rules": self.rules,
                }},
                "invocations": [{"executionSuccessful": true}],
                "columnKind": "unicodeCodePoints",
                "results": self.results,
            }],
        });
        writeln!(out, "{}", visible_json(&log.to_string()))
    }
}

/// What an entry demands, in a sentence and as the policy has it.
fn description(policy: Option<&Document>, source: &Source) -> (String, String) {
    let entry = policy.and_then(|policy| {
        policy.value_at(&FieldPath::of("spec").field(source.list.field()?).named(source.entry.to_string()))
    });
    let Some(entry) = entry else {
        let text = format!("The WorkloadPolicy {} as a whole", source.policy);
        return (text.clone(), text);
    };
    let text = |pointer: &str| entry.pointer(pointer).and_then(Value::as_str);
    let sort = RULES.into_iter().find(|(field, _)| entry.get(field).is_some()).map(|(_, sort)| sort);
    let level = text("/podSecurity/level").map(|level| format!(", level {level}")).unwrap_or_default();
    let sort = text("/cel/message").or(sort).unwrap_or("A mutation of a Sallyport WorkloadPolicy");
    (format!("{sort}{level}"), yaml(entry).unwrap_or_default())
}

/// What the rules are about, by their fields.
const RULES: [(&str, &str); 10] = [
    ("podSecurity", "The Pod Security Standards"),
    ("images", "Where images come from and how they are named"),
    ("metadata", "Labels and annotations that must be there"),
    ("probes", "Probes that must be there"),
    ("resources", "Resource requests and limits, and their bounds"),
    ("secretsInEnv", "No secret stands literally in a container's environment"),
    ("serviceAccount", "The pod's service account is named"),
    ("spread", "Pods have anti-affinity or topology spread"),
    ("cel", "A CEL expression that must be true"),
    ("requireTraffic", "TrafficPolicies select the pod, and no connection goes round its proxy"),
];

fn level(weight: Weight) -> &'static str {
    match weight {
        Weight::Refused => "error",
        Weight::Warned => "warning",
        Weight::Audited => "note",
    }
}

/// Section 3.29: the file, and the region of it.
fn physical(origin: &SourceText, at: &Location) -> Value {
    let end = origin.location(at.byte_range.end..at.byte_range.end);
    json!({"physicalLocation": {
        "artifactLocation": {"uri": uri(origin.name())},
        "region": {
            "startLine": at.line,
            "startColumn": at.column,
            "endLine": end.line,
            "endColumn": end.column,
        },
    }})
}

/// A path as a reference of RFC 3986: relative where the path is, so that it is found in a repository.
fn uri(path: &str) -> String {
    let path = Path::new(path);
    let mut uri = String::from(if path.is_absolute() { "file://" } else { "" });
    for (i, part) in path.components().filter(|part| *part != Component::CurDir).enumerate() {
        if i > 0 && !uri.ends_with('/') {
            uri.push('/');
        }
        for byte in part.as_os_str().as_encoded_bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                    uri.push(char::from(*byte));
                }
                other => uri.push_str(&format!("%{other:02X}")),
            }
        }
    }
    uri
}

/// What says of two runs' results that they are the same one, though lines were added above it.
fn fingerprint(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use sallyport_admission::resources::ValidateEntry;

    use super::*;

    #[test]
    fn every_rule_is_described() {
        let schema = schemars::schema_for!(ValidateEntry).to_value();
        let fields = schema["properties"].as_object().unwrap().keys().map(String::as_str);
        let of_all = ["name", "mode", "labels", "containers", "when"];
        let rules: BTreeSet<&str> = fields.filter(|field| !of_all.contains(field)).collect();
        assert_eq!(rules, RULES.iter().map(|(field, _)| *field).collect());
    }

    #[test]
    fn a_path_becomes_a_reference_that_scanners_resolve() {
        for (path, wanted) in [
            ("./manifests/api.yaml", "manifests/api.yaml"),
            ("a b/ü#1.yaml", "a%20b/%C3%BC%231.yaml"),
            ("/srv/a.yaml", "file:///srv/a.yaml"),
            ("../a.yaml", "../a.yaml"),
            ("<stdin>", "%3Cstdin%3E"),
        ] {
            assert_eq!(uri(path), wanted);
        }
    }
}
