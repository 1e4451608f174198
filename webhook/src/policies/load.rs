//! Documents into a set of policies.

use std::collections::HashMap;

use sallyport_admission::resources::{PolicyExceptionSpec, WorkloadPolicySpec};
use sallyport_admission::{Conflict, Exception, Namespace, Policy, PolicySet, Source, TrafficSelector};
use sallyport_policy::{API_VERSION, Diagnostic, FieldPath, GROUP};
use sallyport_traffic::program::PolicyName;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::digest::Digest;
use super::loaded::Loaded;
use super::places::Places;
use super::traffic::{traffic_policy, traffic_policy_name, traffic_selector};
use crate::source::{Document, Located, ReadError, decode};

/// Compiles all policies among the documents; what is wrong with one does not keep another from being compiled.
#[must_use]
pub fn load(documents: Vec<Document>, errors: &[ReadError]) -> Loaded {
    let mut loader = Loader { keeps_documents: true, ..Loader::default() };
    documents.into_iter().for_each(|document| loader.add(document));
    loader.finish(errors)
}

/// Compiles documents as they come. Unless told otherwise it keeps none: a document takes several times the memory of
/// the policy that is made of it, and a server needs the policy only.
#[derive(Default)]
pub(super) struct Loader {
    keeps_documents: bool,
    loaded: Loaded,
    policies: Vec<Policy>,
    traffic: Vec<TrafficSelector>,
    /// Where each WorkloadPolicy stands, by its name.
    places: HashMap<String, Places>,
    /// `file:line` of each TrafficPolicy.
    traffic_places: HashMap<PolicyName, String>,
    unread: Unread,
    digest: Digest,
}

/// The objects among the policies that are none: told of in one finding, at the first of them.
#[derive(Default)]
struct Unread {
    first: Option<Located>,
    more: usize,
}

impl Unread {
    fn add(&mut self, document: &Document) {
        if self.first.is_some() {
            self.more += 1;
            return;
        }
        let message = format!("a {} is no policy and is not read here", document.kind());
        self.first = Some(document.place(Diagnostic::warning(FieldPath::of("kind"), message)));
    }

    fn finding(self) -> Option<Located> {
        let mut finding = self.first?;
        match self.more {
            0 => {}
            1 => finding.diagnostic.message.push_str("; nor is 1 more object"),
            more => finding.diagnostic.message.push_str(&format!("; nor are {more} more objects")),
        }
        Some(finding)
    }
}

impl Loader {
    pub(super) fn add(&mut self, document: Document) {
        self.digest.add(&document);
        let loaded = &mut self.loaded;
        if !loaded.files.contains(document.origin.name()) {
            loaded.files.insert(document.origin.name().to_owned());
        }
        match (document.api_version(), document.kind()) {
            (API_VERSION, "WorkloadPolicy") => self.add_workload_policy(document),
            (API_VERSION, "TrafficPolicy") => self.add_traffic_policy(&document),
            (API_VERSION, "PolicyException") => {
                // What a file says of its creation, its author says.
                let exception = policy_exception(&document, None, &mut loaded.findings);
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
            (version, kind) => match of_ours(version, kind) {
                Some(wrong) => loaded.findings.push(document.place(wrong)),
                None => self.unread.add(&document),
            },
        }
    }

    fn add_workload_policy(&mut self, document: Document) {
        let findings = &mut self.loaded.findings;
        if let Some(first) = self.places.get(document.name()) {
            let message = format!("another WorkloadPolicy has this name: {}", first.policy());
            findings.push(document.place(Diagnostic::error(FieldPath::of("metadata.name"), message)));
            return;
        }
        self.policies.extend(workload_policy(&document, findings));
        self.places.insert(document.name().to_owned(), Places::of(&document));
        if self.keeps_documents {
            self.loaded.documents.insert(document.name().to_owned(), document);
        }
    }

    /// Two of one name would share what they count, and the metrics and logs that tell of them.
    fn add_traffic_policy(&mut self, document: &Document) {
        let findings = &mut self.loaded.findings;
        let name = traffic_policy_name(document);
        if let Some(first) = self.traffic_places.get(&name) {
            let message = format!("another TrafficPolicy of its namespace has this name: {first}");
            findings.push(document.place(Diagnostic::error(FieldPath::of("metadata.name"), message)));
            return;
        }
        if let Some(spec) = traffic_policy(document, findings) {
            let selector = traffic_selector(&name, &spec);
            let source = Source::traffic(&selector.namespace, &selector.name);
            self.traffic.push(selector);
            self.loaded.traffic.push((name.clone(), spec));
            if self.keeps_documents {
                self.loaded.traffic_documents.insert(source.policy, document.clone());
            }
        }
        self.traffic_places.insert(name, Places::of(document).policy());
    }

    /// What was loaded. `errors` are those of reading; they are told first.
    pub(super) fn finish(self, errors: &[ReadError]) -> Loaded {
        let Self { mut loaded, policies, traffic, places, digest, unread, .. } = self;
        loaded.findings.splice(0..0, errors.iter().map(Located::from));
        loaded.digest = digest.finish();
        loaded.set = PolicySet::new(policies)
            .excepting(loaded.exceptions.iter().map(|(exception, _)| exception.clone()))
            .knowing(traffic);
        let conflicts = loaded.set.conflicts().into_iter();
        let conflicts: Vec<Located> = conflicts
            .filter_map(|Conflict { loser, mut diagnostic, winner }| {
                let place = places.get(&*winner.policy).and_then(|places| places.mutation(&winner.entry));
                diagnostic.help = place.map(|place| format!("{winner} is {place}"));
                Some(places.get(&*loser.policy)?.place(&loser.entry, diagnostic))
            })
            .collect();
        loaded.findings.extend(conflicts);
        loaded.findings.extend(unread.finding());
        loaded
    }
}

pub(super) fn workload_policy(document: &Document, findings: &mut Vec<Located>) -> Option<Policy> {
    if !document.namespace().is_empty() {
        let message = "has no effect: a WorkloadPolicy belongs to no namespace; spec.match.namespaces says whom it is \
            about";
        let path = FieldPath::of("metadata.namespace");
        findings.push(document.place(Diagnostic::warning(path, message)));
    }
    let spec: WorkloadPolicySpec = decode_spec(document, findings)?;
    let (policy, found) = Policy::compile(document.name(), &spec);
    findings.extend(found.into_iter().map(|diagnostic| document.place(diagnostic)));
    policy
}

/// `created` is its creation by a clock that its author does not set, in Unix seconds.
pub(super) fn policy_exception(
    document: &Document,
    created: Option<i64>,
    findings: &mut Vec<Located>,
) -> Option<Exception> {
    let spec: PolicyExceptionSpec = decode_spec(document, findings)?;
    let (exception, found) = Exception::compile(document.namespace(), document.name(), created, &spec);
    findings.extend(found.into_iter().map(|diagnostic| document.place(diagnostic)));
    exception
}

pub(super) fn decode_spec<T: DeserializeOwned>(
    document: &Document,
    findings: &mut Vec<Located>,
) -> Option<T> {
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

/// What is wrong with a document that says it is one of Sallyport's resources, or says nothing; `None` for any other.
fn of_ours(version: &str, kind: &str) -> Option<Diagnostic> {
    let kinds = "WorkloadPolicy, PolicyException or TrafficPolicy";
    Some(if kind.is_empty() {
        Diagnostic::error(FieldPath::of("kind"), format!("no kind; expected {kinds}"))
    } else if ["WorkloadPolicy", "PolicyException", "TrafficPolicy"].contains(&kind) {
        Diagnostic::error(FieldPath::of("apiVersion"), format!("found {version}; expected {API_VERSION}"))
    } else if version.starts_with(GROUP) {
        let message = format!("found {version} {kind}; expected {API_VERSION} {kinds}");
        Diagnostic::error(FieldPath::of("kind"), message)
    } else {
        return None;
    })
}
