//! Documents into a set of policies.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use sallyport_admission::resources::{PolicyExceptionSpec, WorkloadPolicySpec};
use sallyport_admission::{Conflict, Exception, Namespace, Policy, PolicySet, Source, TrafficSelector};
use sallyport_policy::{API_VERSION, Diagnostic, Diagnostics, FieldPath, GROUP, Severity};
use sallyport_traffic::{TrafficMode, TrafficPolicySpec};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::digest::digest;
use crate::source::{Document, Located, Location, ReadError, decode};

/// A list of a policy's entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// What it changes.
    Mutate,
    /// What it judges.
    Validate,
}

/// What was loaded, and everything that is to be said about it.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The policies that are right.
    pub set: PolicySet,
    /// The namespaces that are described beside the policies.
    pub namespaces: BTreeMap<String, Namespace>,
    /// The document of each WorkloadPolicy, by its name.
    pub documents: HashMap<String, Document>,
    /// The PolicyExceptions that are right, with their documents.
    pub exceptions: Vec<(Exception, Document)>,
    /// The TrafficPolicies that are right. They are checked, and this gate asks whom they select; nothing attaches
    /// them to Envoy yet.
    pub traffic: usize,
    /// What this set is named by, in logs: `sha256:…` over all its documents.
    pub digest: Arc<str>,
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
        let policies = if self.traffic == 1 { "TrafficPolicy" } else { "TrafficPolicies" };
        (self.traffic > 0).then(|| {
            format!(
                "checked but not in force: {} {policies}. This version of Sallyport attaches nothing to Envoy",
                self.traffic
            )
        })
    }

    /// How many resources beside the WorkloadPolicies are right.
    #[must_use]
    pub fn others(&self) -> usize {
        self.exceptions.len() + self.traffic
    }

    /// `file:line` of a policy's entry.
    #[must_use]
    pub fn place_of(&self, entry: &Source, part: Part) -> Option<String> {
        let (document, at) = self.locate(entry, part)?;
        Some(format!("{}:{}", document.origin.name(), at.line))
    }

    /// Where a policy's entry stands. Both lists may have an entry of this name: `part` is the likelier.
    #[must_use]
    pub fn locate(&self, entry: &Source, part: Part) -> Option<(&Document, Location)> {
        let document = self.documents.get(&*entry.policy)?;
        if entry.entry.is_empty() {
            return Some((document, document.locate(&FieldPath::of("metadata.name"))));
        }
        let lists = match part {
            Part::Mutate => ["mutate", "validate"],
            Part::Validate => ["validate", "mutate"],
        };
        lists.into_iter().find_map(|list| {
            let has = |other: &Value| other.get("name").and_then(Value::as_str) == Some(&entry.entry);
            let found = document.value.pointer(&format!("/spec/{list}"))?.as_array()?.iter().any(has);
            let path = FieldPath::of("spec").field(list).named(entry.entry.to_string());
            found.then(|| (document, document.locate(&path)))
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
    let mut loaded = Loaded {
        findings: errors.iter().map(Located::from).collect(),
        digest: digest(&documents),
        ..Loaded::default()
    };
    let (mut policies, mut traffic) = (Vec::new(), Vec::new());
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
                if let Some(selector) = traffic_policy(&document, &mut loaded.findings) {
                    loaded.traffic += 1;
                    traffic.extend(selector);
                }
            }
            (API_VERSION, "PolicyException") => {
                let exception = policy_exception(&document, &mut loaded.findings);
                loaded.exceptions.extend(exception.map(|exception| (exception, document)));
            }
            // Of folders they are not even read; whoever names the file should know what it is for.
            (API_VERSION, "PolicyTest") => {
                let message = "a PolicyTest is no policy; run it with sallyport test";
                loaded.findings.push(document.place(Diagnostic::warning(FieldPath::of("kind"), message)));
            }
            ("v1", "Namespace") => {
                let namespace = namespace(&document);
                loaded.namespaces.insert(namespace.name.clone(), namespace);
            }
            (version, kind) => loaded.findings.push(document.place(unknown(version, kind))),
        }
    }
    loaded.set = PolicySet::new(policies)
        .excepting(loaded.exceptions.iter().map(|(exception, _)| exception.clone()))
        .knowing(traffic);
    let conflicts: Vec<Located> = loaded
        .set
        .conflicts()
        .into_iter()
        .filter_map(|Conflict { policy, mut diagnostic, winner }| {
            diagnostic.help =
                loaded.place_of(winner, Part::Mutate).map(|place| format!("{winner} is {place}"));
            Some(loaded.documents.get(policy)?.place(diagnostic))
        })
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

fn policy_exception(document: &Document, findings: &mut Vec<Located>) -> Option<Exception> {
    let spec: PolicyExceptionSpec = decode_spec(document, findings)?;
    // What a file says of its creation, its author says.
    let (exception, found) = Exception::compile(document.namespace(), document.name(), None, &spec);
    findings.extend(found.into_iter().map(|diagnostic| document.place(diagnostic)));
    exception
}

/// The namespace of the mesh's own, whose policies are for the pods of all namespaces, as Istio installs it.
const ROOT_NAMESPACE: &str = "istio-system";

/// `None` where it is wrong; where it selects by `targetRefs`, it is right and selects nobody as far as is known here.
#[expect(clippy::option_option, reason = "wrong, right without a selector, right with one")]
fn traffic_policy(document: &Document, findings: &mut Vec<Located>) -> Option<Option<TrafficSelector>> {
    let spec: TrafficPolicySpec = decode_spec(document, findings)?;
    let found = sallyport_traffic::check(&spec);
    let right = !found.has_errors();
    findings.extend(found.into_iter().map(|diagnostic| document.place(diagnostic)));
    right.then(|| {
        let selector = spec.selector.as_ref()?;
        Some(TrafficSelector {
            namespace: document.namespace().to_owned(),
            name: document.name().to_owned(),
            selector: selector.compile(&FieldPath::of("spec.selector"), &mut Diagnostics::default()),
            mesh_wide: document.namespace() == ROOT_NAMESPACE,
            enforced: spec.mode == TrafficMode::Enforce,
            rate_limits: !spec.rate_limits.is_empty(),
            jwt: spec.jwt.is_some(),
        })
    })
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
    let labels = document.value.pointer("/metadata/labels").and_then(Value::as_object);
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
