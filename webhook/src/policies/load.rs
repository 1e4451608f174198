//! Documents into a set of policies.

use std::collections::{BTreeMap, HashMap};

use sallyport_admission::resources::{PolicyExceptionSpec, WorkloadPolicySpec};
use sallyport_admission::{Namespace, Policy, PolicySet};
use sallyport_policy::{API_VERSION, Diagnostic, Diagnostics, FieldPath, GROUP, Severity};
use sallyport_traffic::TrafficPolicySpec;
use serde::de::DeserializeOwned;

use crate::source::{Document, Located, ReadError, decode};

/// What was loaded, and everything that is to be said about it.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The policies that are right.
    pub set: PolicySet,
    /// The namespaces that are described beside the policies.
    pub namespaces: BTreeMap<String, Namespace>,
    /// The document of each WorkloadPolicy, by its name.
    pub documents: HashMap<String, Document>,
    /// The PolicyExceptions and TrafficPolicies that are right. They are checked, and not yet in force.
    pub others: usize,
    /// Errors and warnings.
    pub findings: Vec<Located>,
}

impl Loaded {
    /// Whether something is wrong.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.findings.iter().any(|located| located.diagnostic.severity == Severity::Error)
    }

    /// What of all this is checked and not in force, in a sentence. To be said loudly: a policy that is thought to be
    /// in force and is not is worse than none.
    #[must_use]
    pub fn not_in_force(&self) -> Option<String> {
        let validations: usize = self.set.policies().iter().map(Policy::validations).sum();
        let mut parts = Vec::new();
        if validations > 0 {
            parts.push(format!(
                "{validations} validate {}",
                if validations == 1 { "entry" } else { "entries" }
            ));
        }
        if self.others > 0 {
            parts.push(format!(
                "{} other {}",
                self.others,
                if self.others == 1 { "resource" } else { "resources" }
            ));
        }
        (!parts.is_empty()).then(|| {
            format!(
                "checked but not in force: {}. This version of Sallyport mutates, and does not validate",
                parts.join(" and ")
            )
        })
    }

    /// What is known of a namespace.
    #[must_use]
    pub fn namespace(&self, name: &str) -> Option<&Namespace> {
        self.namespaces.get(name)
    }
}

/// Compiles all policies among the documents; what is wrong with one does not keep another from being compiled.
#[must_use]
pub fn load(documents: Vec<Document>, errors: &[ReadError]) -> Loaded {
    let mut loaded = Loaded { findings: errors.iter().map(Located::from).collect(), ..Loaded::default() };
    let mut policies = Vec::new();
    for document in documents {
        match (document.api_version(), document.kind()) {
            (API_VERSION, "WorkloadPolicy") => {
                if let Some(first) = loaded.documents.get(document.name()) {
                    let at = first.locate(&FieldPath::of("metadata.name"));
                    let message =
                        format!("another WorkloadPolicy has this name: {}:{}", first.origin.name(), at.line);
                    let diagnostic = Diagnostic::error(FieldPath::of("metadata.name"), message);
                    loaded.findings.push(document.place(diagnostic));
                    continue;
                }
                policies.extend(workload_policy(&document, &mut loaded.findings));
                loaded.documents.insert(document.name().to_owned(), document);
            }
            (API_VERSION, "TrafficPolicy") => {
                let checked = check(
                    &document,
                    |spec: &TrafficPolicySpec| sallyport_traffic::check(spec),
                    &mut loaded.findings,
                );
                loaded.others += usize::from(checked);
            }
            (API_VERSION, "PolicyException") => {
                let checked = check(&document, PolicyExceptionSpec::check, &mut loaded.findings);
                loaded.others += usize::from(checked);
            }
            ("v1", "Namespace") => {
                let namespace = namespace(&document);
                loaded.namespaces.insert(namespace.name.clone(), namespace);
            }
            (version, kind) => loaded.findings.push(document.place(unknown(version, kind))),
        }
    }
    loaded.set = PolicySet::new(policies);
    let conflicts: Vec<Located> = loaded
        .set
        .conflicts()
        .into_iter()
        .filter_map(|(policy, diagnostic)| Some(loaded.documents.get(policy)?.place(diagnostic)))
        .collect();
    loaded.findings.extend(conflicts);
    loaded
}

fn workload_policy(document: &Document, findings: &mut Vec<Located>) -> Option<Policy> {
    let spec: WorkloadPolicySpec = decode_spec(document, findings)?;
    let (policy, found) = Policy::compile(document.name(), &spec);
    findings.extend(found.into_iter().map(|diagnostic| document.place(diagnostic)));
    policy
}

/// Whether a resource that is checked and not yet in force is right.
fn check<T: DeserializeOwned>(
    document: &Document,
    rules: impl Fn(&T) -> Diagnostics,
    findings: &mut Vec<Located>,
) -> bool {
    let Some(spec) = decode_spec::<T>(document, findings) else { return false };
    let found = rules(&spec);
    let right = !found.has_errors();
    findings.extend(found.into_iter().map(|diagnostic| document.place(diagnostic)));
    right
}

fn decode_spec<T: DeserializeOwned>(document: &Document, findings: &mut Vec<Located>) -> Option<T> {
    for field in document.value.as_object().into_iter().flatten().map(|(field, _)| field) {
        if !["apiVersion", "kind", "metadata", "spec", "status"].contains(&field.as_str()) {
            let path = FieldPath::root().field(field.clone());
            let diagnostic =
                Diagnostic::error(path, format!("unknown field {field}; did you mean to put it under spec?"));
            findings.push(document.place(diagnostic));
        }
    }
    decode(document, &FieldPath::of("spec")).map_err(|found| findings.extend(found)).ok()
}

fn namespace(document: &Document) -> Namespace {
    let mut namespace = Namespace::named(document.name());
    let labels = document.value.pointer("/metadata/labels").and_then(serde_json::Value::as_object);
    for (key, value) in labels.into_iter().flatten() {
        if let Some(value) = value.as_str() {
            namespace.labels.entry(key.clone()).or_insert_with(|| value.to_owned());
        }
    }
    namespace
}

fn unknown(version: &str, kind: &str) -> Diagnostic {
    let kinds = "WorkloadPolicy, PolicyException or TrafficPolicy";
    if kind.is_empty() {
        Diagnostic::error(FieldPath::of("kind"), format!("no kind; expected {kinds}"))
    } else if ["WorkloadPolicy", "PolicyException", "TrafficPolicy"].contains(&kind) {
        Diagnostic::error(FieldPath::of("apiVersion"), format!("found {version}; expected {API_VERSION}"))
    } else if version.starts_with(GROUP) {
        let message = format!("found {version} {kind}; expected {API_VERSION} {kinds}");
        Diagnostic::error(FieldPath::of("kind"), message)
    } else {
        Diagnostic::warning(FieldPath::of("kind"), format!("a {kind} is no policy and is not read here"))
    }
}
