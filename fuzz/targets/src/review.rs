//! AdmissionReviews: decoded as another reader decodes them, or refused with a place that is in the body and a sentence
//! that holds nothing of it.

use sallyport::server::review::{API_VERSION, KIND, Malformed, decode};
use sallyport_admission::{Decision, Request};
use serde_json::{Map, Value, json};

use crate::answer;

/// The longest that is said of a body.
const SENTENCE: usize = 256;

pub(crate) fn run(body: &[u8]) -> bool {
    match decode(body) {
        Err(malformed) => {
            refused(body, &malformed);
            false
        }
        Ok(request) => {
            decoded(body, &request);
            true
        }
    }
}

fn refused(body: &[u8], malformed: &Malformed) {
    let sentence = malformed.to_string();
    let plain = sentence.chars().all(|c| c.is_ascii() && !c.is_ascii_control());
    assert!(plain && !sentence.is_empty() && sentence.len() < SENTENCE, "{sentence:?}");
    assert!(!malformed.fault.reason().is_empty());
    let Some(place) = malformed.place else { return };
    let before = body.get(..place.byte).unwrap_or_else(|| panic!("{place:?} is behind the body"));
    let lines = before.iter().filter(|byte| **byte == b'\n').count();
    let column = before.iter().rev().take_while(|byte| **byte != b'\n').count();
    assert_eq!((place.line, place.column), (lines + 1, column + 1), "byte {}: {sentence}", place.byte);
}

fn decoded(body: &[u8], request: &Request) {
    let review: Value = serde_json::from_slice(body).expect("what is decoded is JSON");
    assert_eq!(review["apiVersion"], API_VERSION);
    assert_eq!(review["kind"], KIND);
    assert_eq!(review["request"]["object"], request.object);
    assert_eq!(review["request"]["oldObject"], request.old_object);

    // serde's own reading of the types, for which null must not stand where a text should.
    let typed: Request =
        serde_json::from_value(without_nulls(&review["request"])).expect("serde reads it too");
    assert_eq!(encoded(&typed), encoded(request));

    let again = json!({"apiVersion": API_VERSION, "kind": KIND, "request": encoded(request)}).to_string();
    let again = decode(again.as_bytes()).expect("what is encoded is decoded");
    assert_eq!(encoded(&again), encoded(request));
    answer::hold(&Decision { allowed: true, ..Decision::default() });
}

/// The envelope without members that are null, as Go writes and reads it.
fn without_nulls(request: &Value) -> Value {
    let kept = |fields: &Map<String, Value>| -> Map<String, Value> {
        fields.iter().filter(|(_, value)| !value.is_null()).map(|(k, v)| (k.clone(), v.clone())).collect()
    };
    let mut request = request.as_object().map(kept).unwrap_or_default();
    for part in ["kind", "resource", "requestKind", "requestResource", "userInfo"] {
        if let Some(Value::Object(fields)) = request.get_mut(part) {
            *fields = kept(fields);
        }
    }
    request.into()
}

fn encoded(request: &Request) -> Value {
    let mut members = json!({
        "uid": request.uid,
        "kind": request.kind,
        "resource": request.resource,
        "subResource": request.sub_resource,
        "name": request.name,
        "namespace": request.namespace,
        "operation": request.operation,
        "userInfo": request.user_info,
        "object": request.object,
        "oldObject": request.old_object,
        "requestSubResource": request.request_sub_resource,
        "options": request.options,
    });
    if let Some(kind) = &request.request_kind {
        members["requestKind"] = json!(kind);
    }
    if let Some(resource) = &request.request_resource {
        members["requestResource"] = json!(resource);
    }
    if let Some(dry_run) = request.dry_run {
        members["dryRun"] = dry_run.into();
    }
    members
}
