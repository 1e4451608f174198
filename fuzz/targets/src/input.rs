//! Policies, exceptions and requests out of arbitrary JSON. What is missing or of another type is as if left out, so
//! that hardly an input is passed over.

use sallyport_admission::resources::{PolicyExceptionSpec, WorkloadPolicySpec};
use sallyport_admission::{Exception, GroupVersionKind, Operation, Policy, PolicySet, Request, UserInfo};
use serde_json::{Value, json};

/// Policies that are taken of one input.
const POLICIES: usize = 4;

/// The JSON of an input.
pub(crate) fn json(bytes: &[u8]) -> Option<Value> {
    serde_json::from_slice(bytes).ok()
}

/// The elements of a list; none of anything else.
pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The documents under `policies`, without what is wrong in them; at most [`POLICIES`], no two of one name.
pub(crate) fn policies(input: &Value) -> Vec<Value> {
    let mut found: Vec<Value> = Vec::new();
    for document in list(&input["policies"]) {
        let another = found.iter().any(|other| other["metadata"]["name"] == document["metadata"]["name"]);
        if found.len() < POLICIES && !another {
            found.extend(mended(document));
        }
    }
    found
}

/// A WorkloadPolicy with those entries that are right, so that one that is not does not cost the others.
fn mended(document: &Value) -> Option<Value> {
    if policy(document).is_some() {
        return Some(document.clone());
    }
    let mut mended = document.clone();
    let alone = |field: &str, entry: &Value| {
        policy(&json!({"metadata": {"name": "p"}, "spec": {"match": {"kinds": ["*"]}, field: [entry]}}))
            .is_some()
    };
    for field in ["mutate", "validate"] {
        if let Some(entries) =
            mended.get_mut("spec").and_then(|spec| spec.get_mut(field)).and_then(Value::as_array_mut)
        {
            entries.retain(|entry| alone(field, entry));
        }
    }
    policy(&mended).is_some().then_some(mended)
}

/// A set of WorkloadPolicies, without those that are wrong.
pub(crate) fn set(documents: &[Value]) -> PolicySet {
    PolicySet::new(documents.iter().filter_map(policy).collect())
}

/// A WorkloadPolicy, if it is one and right.
pub(crate) fn policy(document: &Value) -> Option<Policy> {
    let spec: WorkloadPolicySpec = serde_json::from_value(document["spec"].clone()).ok()?;
    Policy::compile(document["metadata"]["name"].as_str()?, &spec).0
}

/// The PolicyExceptions of `exceptions` that are right.
pub(crate) fn exceptions(input: &Value) -> Vec<Exception> {
    let exception = |document: &Value| {
        let spec: PolicyExceptionSpec = serde_json::from_value(document["spec"].clone()).ok()?;
        let created = document["created"].as_i64();
        Exception::compile(
            text(&document["metadata"]["namespace"]),
            text(&document["metadata"]["name"]),
            created,
            &spec,
        )
        .0
    };
    list(&input["exceptions"]).iter().filter_map(exception).collect()
}

/// The request that an input describes, else the creation of its `object`.
pub(crate) fn request(input: &Value) -> Request {
    let object = input["object"].clone();
    let kind = GroupVersionKind::of(&object);
    let operation = match text(&input["operation"]) {
        "UPDATE" => Operation::Update,
        "DELETE" => Operation::Delete,
        "CONNECT" => Operation::Connect,
        _ => Operation::Create,
    };
    Request {
        uid: "0a1b2c3d".to_owned(),
        resource: kind.resource(),
        kind,
        sub_resource: text(&input["subResource"]).to_owned(),
        name: text(&object["metadata"]["name"]).to_owned(),
        namespace: text(&object["metadata"]["namespace"]).to_owned(),
        operation,
        request_kind: None,
        request_resource: None,
        request_sub_resource: String::new(),
        options: Value::Null,
        user_info: UserInfo {
            username: text(&input["user"]).to_owned(),
            groups: list(&input["groups"]).iter().map(|group| text(group).to_owned()).collect(),
            ..UserInfo::default()
        },
        // What the API server sends is an object or null.
        object: if object.is_object() { object } else { Value::Null },
        old_object: if input["oldObject"].is_object() { input["oldObject"].clone() } else { Value::Null },
        dry_run: None,
    }
}

/// The text, or an empty one.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
