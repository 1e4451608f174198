//! TrafficPolicies: what is wrong with them, and what the admission gate needs to know of them.

use std::collections::BTreeSet;

use sallyport_admission::{SecretKey, TrafficSelector};
use sallyport_policy::{Diagnostic, Diagnostics, FieldPath, Severity, secret_variable};
use sallyport_traffic::program::PolicyName;
use sallyport_traffic::{JwksSource, Provider, SecretKeys, TrafficMode, TrafficPolicySpec};

use super::bounds;
use super::load::decode_spec;
use crate::source::{Document, Located};

/// The namespace of the mesh's own, whose policies are for the pods of all namespaces, as Istio installs it.
pub(crate) const ROOT_NAMESPACE: &str = "istio-system";

pub(super) fn traffic_policy_name(document: &Document) -> PolicyName {
    PolicyName { namespace: document.namespace().to_owned(), name: document.name().to_owned() }
}

/// `None` where it is wrong.
pub(super) fn traffic_policy(document: &Document, findings: &mut Vec<Located>) -> Option<TrafficPolicySpec> {
    let spec: TrafficPolicySpec = decode_spec(document, findings)?;
    let mut found = sallyport_traffic::check(&spec);
    for beyond in bounds::check(&document.value) {
        // What is said in words of its own already is said once.
        if !found.iter().any(|other| other.severity == Severity::Error && other.path == beyond.path) {
            found.push(beyond);
        }
    }
    warn_of_keys_that_do_not_arrive(document.namespace(), &spec, &mut found);
    let right = !found.has_errors();
    findings.extend(found.into_iter().map(|diagnostic| document.place(diagnostic)));
    right.then_some(spec)
}

pub(super) fn traffic_selector(name: &PolicyName, spec: &TrafficPolicySpec) -> TrafficSelector {
    let selector = spec.selector.as_ref();
    let keys: BTreeSet<SecretKey> = secrets(spec)
        .map(|(_, secret)| SecretKey {
            variable: secret_variable(&name.namespace, &secret.name, &secret.key),
            secret: secret.name.clone(),
            key: secret.key.clone(),
        })
        .collect();
    TrafficSelector {
        namespace: name.namespace.clone(),
        name: name.name.clone(),
        selector: selector
            .map(|selector| selector.compile(&FieldPath::of("spec.selector"), &mut Diagnostics::default())),
        mesh_wide: name.namespace == ROOT_NAMESPACE,
        enforced: spec.mode == TrafficMode::Enforce,
        rate_limits: !spec.rate_limits.is_empty(),
        jwt: spec.jwt.is_some(),
        keys: keys.into_iter().collect(),
    }
}

/// The providers whose keys stand in Secrets.
fn secrets(spec: &TrafficPolicySpec) -> impl Iterator<Item = (&Provider, &SecretKeys)> {
    let providers = spec.jwt.iter().flat_map(|jwt| &jwt.providers);
    providers.filter_map(|provider| match provider.jwks.source()? {
        JwksSource::Secret(secret) => Some((provider, secret)),
        JwksSource::Inline(_) | JwksSource::Env(_) | JwksSource::Uri(_) => None,
    })
}

/// Pods are given keys by the labels that the policy selects them by, and of their own namespace.
fn warn_of_keys_that_do_not_arrive(namespace: &str, spec: &TrafficPolicySpec, found: &mut Diagnostics) {
    let (message, help) = if spec.selector.is_none() {
        (
            "reaches no proxy: which pods targetRefs mean is not known when a pod is created".to_owned(),
            "select the pods by their labels, with selector",
        )
    } else if namespace == ROOT_NAMESPACE {
        (
            format!(
                "reaches the proxies of namespace {namespace} only, though the policy is for all: a pod can have Secrets \
                 of its own namespace alone"
            ),
            "for proxies elsewhere have the keys fetched from a uri, or write public ones into the policy with inline",
        )
    } else {
        return;
    };
    for (provider, _) in secrets(spec) {
        let path = FieldPath::of("spec.jwt.providers").named(&provider.name).field("jwks").field("secretRef");
        found.push(Diagnostic { help: Some(help.to_owned()), ..Diagnostic::warning(path, message.clone()) });
    }
}
