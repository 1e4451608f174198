//! What is answered to what is no AdmissionReview: a status, one sentence, nothing of the body.

use sallyport::server::Limits;
use sallyport::server::review::{Place, decode};
use serde_json::{Value, json};

use crate::gate::Fake;
use crate::running::{Running, body, large_body, limits, review};

/// Stands in every body; must stand in no answer.
const SECRET: &str = "s3cr3t";

/// A review with one member replaced, or removed.
fn with(pointer: &str, value: Option<Value>) -> Vec<u8> {
    let mut review = review(SECRET);
    review["request"]["object"]["spec"]["token"] = json!(SECRET);
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = review.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    match value {
        Some(value) => parent.insert(name.to_owned(), value),
        None => parent.remove(name),
    };
    serde_json::to_vec_pretty(&review).unwrap()
}

/// The text of a review with a part of it replaced.
fn replaced(from: &str, to: &str) -> Vec<u8> {
    let text = review(SECRET).to_string();
    assert!(text.contains(from), "{text}");
    text.replacen(from, to, 1).into_bytes()
}

fn cases() -> Vec<(Vec<u8>, &'static str)> {
    let secret = || Some(json!(SECRET));
    let nested = |levels: usize| {
        replaced("\"containers\":[]", &format!("\"x\":{}{}", "[".repeat(levels), "]".repeat(levels)))
    };
    let many: String = (0..100).map(|n| format!("\"{SECRET}{n}\":0,")).collect();
    vec![
        (Vec::new(), "the body is empty; expected an AdmissionReview of admission.k8s.io/v1 as JSON"),
        (b" \n ".to_vec(), "the body is empty; expected an AdmissionReview of admission.k8s.io/v1 as JSON"),
        (
            b"{\"s3cr3t\": \n\"\xff\"}".to_vec(),
            "the body is not UTF-8; expected JSON in UTF-8 (line 2, column 2, byte 13)",
        ),
        (b"s3cr3t".to_vec(), "the body is not JSON: expected value (line 1, column 1, byte 0)"),
        (
            b"{\"s3cr3t\": ".to_vec(),
            "the body is not JSON: EOF while parsing a value (line 1, column 11, byte 10)",
        ),
        (
            b"{\"kind\": \"s3cr3t\",\n}".to_vec(),
            "the body is not JSON: trailing comma (line 2, column 1, byte 19)",
        ),
        (b"{\"kind\" \"s3cr3t\"}".to_vec(), "the body is not JSON: expected `:` (line 1, column 9, byte 8)"),
        (b"[\"s3cr3t\"]".to_vec(), "the AdmissionReview is a list; expected an object"),
        (b"\"s3cr3t\"".to_vec(), "the AdmissionReview is a string; expected an object"),
        (b"null".to_vec(), "the AdmissionReview is null; expected an object"),
        (
            [body(SECRET), b" {}".to_vec()].concat(),
            "something follows the AdmissionReview; expected the end of the body",
        ),
        (nested(1000), "the body is nested deeper than 127 levels; expected at most that many"),
        (with("/apiVersion", secret()), "apiVersion has an unexpected value; expected admission.k8s.io/v1"),
        (with("/apiVersion", None), "apiVersion is missing; expected admission.k8s.io/v1"),
        (with("/apiVersion", Some(json!([SECRET]))), "apiVersion is a list; expected a string (line "),
        (with("/kind", secret()), "kind has an unexpected value; expected AdmissionReview"),
        (with("/kind", None), "kind is missing; expected AdmissionReview"),
        (with("/request", None), "request is missing; expected an object"),
        (with("/request", Some(Value::Null)), "request is null; expected an object (line "),
        (with("/request/object", None), "request.object is missing; expected an object"),
        (with("/request/object", Some(Value::Null)), "request.object is missing; expected an object"),
        (with("/request/uid", None), "request.uid is missing; expected a string of 1 to 128 bytes"),
        (
            with("/request/uid", Some(json!(""))),
            "request.uid has an unexpected value; expected a string of 1 to 128 bytes",
        ),
        (
            with("/request/uid", Some(json!(SECRET.repeat(30)))),
            "request.uid has an unexpected value; expected a string of 1 to 128 bytes",
        ),
        (with("/request/uid", Some(json!(7))), "request.uid is a number; expected a string (line "),
        (
            with("/request/operation", None),
            "request.operation is missing; expected CREATE, UPDATE, DELETE or CONNECT",
        ),
        (
            with("/request/operation", secret()),
            "request.operation has an unexpected value; expected CREATE, UPDATE, DELETE or CONNECT",
        ),
        (with("/request/kind", None), "request.kind is missing; expected an object"),
        (with("/request/kind", secret()), "request.kind is a string; expected an object (line "),
        (with("/request/kind/kind", None), "request.kind.kind is missing; expected a string"),
        (
            with("/request/resource/resource", Some(json!(true))),
            "request.resource.resource is true or false; expected a string",
        ),
        (
            with("/request/userInfo/groups", secret()),
            "request.userInfo.groups is a string; expected a list of strings",
        ),
        (
            with("/request/userInfo/groups", Some(json!([{}]))),
            "request.userInfo.groups is an object; expected a list of strings",
        ),
        (with("/request/dryRun", secret()), "request.dryRun is a string; expected true or false (line "),
        (with("/request/object", secret()), "request.object is a string; expected an object or null (line "),
        (
            with("/request/oldObject", Some(json!([SECRET]))),
            "request.oldObject is a list; expected an object or null (line ",
        ),
        (
            replaced("\"kind\":\"AdmissionReview\"", "\"kind\":\"s3cr3t\",\"kind\":\"AdmissionReview\""),
            "the AdmissionReview has a member twice; expected each member once (line 1, column ",
        ),
        (
            replaced("\"operation\"", "\"uid\":\"s3cr3t\",\"operation\""),
            "request has a member twice; expected each member once (line 1, column ",
        ),
        (
            replaced("\"operation\"", "\"s3cr3t\":1,\"s3cr3t\":2,\"operation\""),
            "request has a member twice; expected each member once (line 1, column ",
        ),
        (
            replaced("\"operation\"", "\"\\u0075id\":\"s3cr3t\",\"operation\""),
            "request has a member twice; expected each member once (line 1, column ",
        ),
        (
            replaced("\"containers\":[]", "\"containers\":[{\"s3cr3t\":1,\"s3cr3t\":2}]"),
            "request.object has a member twice; expected each member once (line 1, column ",
        ),
        (
            replaced("\"containers\":[]", "\"a\":{\"name\":1,\"n\\u0061me\":\"s3cr3t\"}"),
            "request.object has a member twice; expected each member once (line 1, column ",
        ),
        (
            replaced("\"oldObject\":null", "\"oldObject\":{\"\":1,\"\":2}"),
            "request.oldObject has a member twice; expected each member once (line 1, column ",
        ),
        (
            replaced("admission.k8s.io/v1", "admission.k8s.io/v1beta1"),
            "apiVersion has an unexpected value; expected admission.k8s.io/v1",
        ),
        (
            replaced(
                "\"containers\":[]",
                &format!("\"x\":{}1{}", "{\"s3cr3t\":".repeat(1000), "}".repeat(1000)),
            ),
            "the body is nested deeper than 127 levels; expected at most that many",
        ),
        // Never closed.
        (
            replaced("\"containers\":[]", &format!("\"x\":{}", "[".repeat(100_000))),
            "the body is nested deeper than 127 levels; expected at most that many",
        ),
        (replaced("[]", "\"\\ud800\""), "the body is not JSON: "),
        (replaced("[]", "\"\\udc00\\ud800\""), "the body is not JSON: "),
        (replaced("[]", "1e999"), "the body is not JSON: number out of range (line 1, column "),
        (replaced("[]", "NaN"), "the body is not JSON: "),
        (replaced("[]", "-Infinity"), "the body is not JSON: "),
        (replaced("[]", "01"), "the body is not JSON: "),
        (replaced("[]", "'s3cr3t'"), "the body is not JSON: "),
        (replaced("[]", "\"\u{1}\""), "the body is not JSON: control character "),
        (
            [b"\xef\xbb\xbf".to_vec(), body(SECRET)].concat(),
            "the body is not JSON: expected value (line 1, column 1, byte 0)",
        ),
        (
            replaced("\"operation\"", &format!("{many}\"operation\"")),
            "request has more than 64 members; expected an AdmissionReview",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_malformed_body_is_400_and_one_sentence_that_quotes_none_of_it() {
    let server = Running::start(Fake::new(|_| unreachable!("no malformed review reaches the gate"))).await;
    for client in [server.http1(), server.http2()] {
        for (body, want) in cases() {
            let shown = String::from_utf8_lossy(&body).into_owned();
            let answer = server.post(&client, "/mutate", body).await;
            assert_eq!(answer.status, 400, "{shown:.500}");
            assert!(answer.text.starts_with(want), "{}\nwanted: {want}\nfor {shown:.500}", answer.text);
            assert!(!answer.text.contains(SECRET), "{}", answer.text);
            assert_eq!(answer.text.matches('\n').count(), 1);
            assert_eq!(answer.content_type, "text/plain; charset=utf-8");
        }
    }
    server.stop().await;
}

#[test]
fn depth_is_read_up_to_its_bound_in_objects_and_without_one_in_what_is_skipped() {
    // The review, its request, the object and its spec are four levels.
    let at = |levels: usize| {
        decode(&replaced("\"containers\":[]", &format!("\"x\":{}{}", "[".repeat(levels), "]".repeat(levels))))
    };
    assert!(at(123).is_ok());
    assert_eq!(at(124).unwrap_err().fault.reason(), "too-deep");
    let skipped =
        replaced("\"options\"", &format!("\"x\":{}{},\"options\"", "[".repeat(100_000), "]".repeat(100_000)));
    assert!(decode(&skipped).is_ok());
}

#[test]
fn a_place_is_the_byte_that_is_wrong() {
    let body = b"{\n  \"apiVersion\": \"\xc3\xa9\",\n  \"kind\": ?\n}";
    let place = decode(body).unwrap_err().place.unwrap();
    assert_eq!(place, Place { line: 3, column: 11, byte: 34 });
    assert_eq!(body[place.byte], b'?');
}

/// Every prefix of a review and every change of one byte is decoded or refused, and places lie within the body.
#[test]
fn whatever_a_body_holds_decoding_ends_with_a_request_or_a_place() {
    let whole = body("u");
    for end in 0..whole.len() {
        let malformed = decode(&whole[..end]).unwrap_err();
        assert!(malformed.place.is_none_or(|place| place.byte <= end), "{malformed}");
    }
    for at in 0..whole.len() {
        for byte in [0, b'"', b'\\', b'{', b'}', b'[', b',', b'9', 0xff] {
            let mut changed = whole.clone();
            changed[at] = byte;
            if let Err(malformed) = decode(&changed) {
                assert!(malformed.place.is_none_or(|place| place.byte <= whole.len()), "{malformed}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn another_content_type_or_encoding_is_415() {
    let server = Running::start(Fake::allowing()).await;
    let client = server.http2();
    for content_type in ["", "text/plain", "application/yaml", "application/jsonish"] {
        let request = client.post(server.url("/mutate")).header("content-type", content_type).body(body("u"));
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 415, "{content_type}");
        let want =
            "the content type is not application/json; expected an AdmissionReview as application/json\n";
        assert_eq!(response.text().await.unwrap(), want);
    }
    let missing = client.post(server.url("/mutate")).body(body("u")).send().await.unwrap();
    assert_eq!(missing.status(), 415);
    let encoded = client.post(server.url("/mutate")).header("content-type", "application/json");
    let encoded = encoded.header("content-encoding", "gzip").body(body("u")).send().await.unwrap();
    assert_eq!(encoded.status(), 415);
    assert_eq!(encoded.text().await.unwrap(), "the body is encoded; expected it without Content-Encoding\n");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn odd_values_that_are_json_reach_the_gate_as_they_are() {
    let odd = json!({
        "large": 18_446_744_073_709_551_615_u64,
        "small": i64::MIN,
        "float": 1.5e300,
        "": {"": [[], {}, null, true, "\u{0}\u{10ffff}"]},
        "deep": serde_json::from_str::<Value>(&format!("{}{}", "[".repeat(100), "]".repeat(100))).unwrap(),
    });
    let want = odd.clone();
    let server = Running::start(Fake::new(move |request| {
        assert_eq!(request.object["spec"], want);
        crate::gate::allowed()
    }))
    .await;
    let mut review = review("u");
    review["request"]["object"]["spec"] = odd;
    server.post(&server.http2(), "/mutate", serde_json::to_vec(&review).unwrap()).await.response();
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_text_of_8_mib_is_decided_about_where_bodies_may_have_as_much() {
    let server = Running::with(Fake::allowing(), Limits { body_bytes: 9 << 20, ..limits() }).await;
    let client = server.http2();
    assert_eq!(server.post(&client, "/mutate", large_body("u", 8 << 20)).await.response()["uid"], "u");
    assert_eq!(server.post(&client, "/mutate", large_body("u", 9 << 20)).await.status, 413);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_body_of_the_limit_is_read_and_one_byte_more_is_413_with_the_limit() {
    let limit = large_body("u", 200_000).len();
    let server = Running::with(Fake::allowing(), Limits { body_bytes: limit, ..limits() }).await;
    for client in [server.http1(), server.http2()] {
        assert_eq!(server.post(&client, "/mutate", large_body("u", 200_000)).await.response()["uid"], "u");
        let answer = server.post(&client, "/mutate", large_body("u", 200_001)).await;
        let want = format!("the body has more than {limit} bytes; expected at most that many\n");
        assert_eq!((answer.status, answer.text), (413, want));
    }
    server.stop().await;
}
