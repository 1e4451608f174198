//! Reads policies and requests from YAML, as the tests and benches of this package have them.

#![allow(dead_code, reason = "each of them uses a part")]

use std::path::{Path, PathBuf};
use std::{env, fs};

use sallyport_admission::resources::WorkloadPolicySpec;
use sallyport_admission::{GroupVersionKind, Policy, PolicySet, Request, SecretKey, TrafficSelector};
use sallyport_policy::{Diagnostics, FieldPath, LabelSelector, secret_variable};
use serde_json::{Value, json};

/// The documents of a YAML stream.
pub(crate) fn documents(text: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(text).unwrap_or_else(|error| panic!("not YAML: {error}\n{text}"))
}

/// The WorkloadPolicies of a YAML stream; each must compile.
pub(crate) fn policies(text: &str) -> Vec<Policy> {
    documents(text).into_iter().map(|document| policy(&document)).collect()
}

/// A WorkloadPolicy, which must compile.
pub(crate) fn policy(document: &Value) -> Policy {
    let name = document["metadata"]["name"].as_str().expect("a policy has metadata.name");
    let spec: WorkloadPolicySpec =
        serde_json::from_value(document["spec"].clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
    let (policy, found) = Policy::compile(name, &spec);
    let found: Vec<String> = found.iter().map(ToString::to_string).collect();
    policy.unwrap_or_else(|| panic!("{name}: {}", found.join("\n")))
}

/// A set of the WorkloadPolicies of a YAML stream.
pub(crate) fn policy_set(text: &str) -> PolicySet {
    PolicySet::new(policies(text))
}

/// What is known of a TrafficPolicy: `namespace`, `name`, `selector` (none: targetRefs), `meshWide`, `shadow`,
/// `rateLimits`, `jwt`, and `secrets` as a list of `{name, key}`.
pub(crate) fn traffic(document: &Value) -> TrafficSelector {
    let text = |value: &Value, field: &str| value[field].as_str().unwrap_or_default().to_owned();
    let is = |field: &str| document[field] == true;
    let mut found = Diagnostics::default();
    let selector = document.get("selector").map(|selector| {
        let selector: LabelSelector =
            serde_json::from_value(selector.clone()).expect("the selector can be read");
        selector.compile(&FieldPath::of("selector"), &mut found)
    });
    assert!(found.is_empty(), "{found:?}");
    let namespace = text(document, "namespace");
    let secrets = document["secrets"].as_array().into_iter().flatten();
    let keys = secrets.map(|of| {
        let (secret, key) = (text(of, "name"), text(of, "key"));
        SecretKey { variable: secret_variable(&namespace, &secret, &key), secret, key }
    });
    TrafficSelector {
        keys: keys.collect(),
        name: text(document, "name"),
        selector,
        mesh_wide: is("meshWide"),
        enforced: !is("shadow"),
        rate_limits: is("rateLimits"),
        jwt: is("jwt"),
        namespace,
    }
}

/// The request that creates `object`.
pub(crate) fn creation(object: &Value) -> Request {
    let kind = GroupVersionKind::of(object);
    assert!(!kind.version.is_empty() && !kind.kind.is_empty(), "{object}");
    serde_json::from_value(json!({
        "uid": "0a1b2c3d",
        "kind": kind,
        "resource": kind.resource(),
        "name": object["metadata"]["name"].as_str().unwrap_or_default(),
        "namespace": object["metadata"]["namespace"].as_str().unwrap_or_default(),
        "operation": "CREATE",
        "userInfo": {"username": "jane", "groups": ["system:authenticated"]},
        "object": object,
    }))
    .expect("this is an AdmissionRequest")
}

/// The file's text; `None` where there is none.
pub(crate) fn text(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok()
}

/// What a folder holds, in the order of names.
pub(crate) fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("the folder can be read").path())
        .collect();
    entries.sort();
    entries
}

/// This package's test data.
pub(crate) fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

/// The pods that pod-security-admission is tested with: where `e2e/tools/install corpus` links them to.
pub(crate) fn corpus() -> PathBuf {
    let home = || PathBuf::from(env::var_os("HOME").expect("HOME is set")).join(".cache");
    let caches = || env::var_os("XDG_CACHE_HOME").map_or_else(home, PathBuf::from);
    let cache = env::var_os("SALLYPORT_CACHE").map_or_else(|| caches().join("sallyport"), PathBuf::from);
    let folder = cache.join("corpus/pod-security-admission");
    assert!(folder.is_dir(), "{} is missing: run `make tools`", folder.display());
    folder
}
