//! What is answered to a well-formed review.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use reqwest::Version;
use sallyport::server::{Gate, Judgement, Share};
use sallyport_admission::{Change, Decision, Finding, Mode, Operation, Request, Source};
use serde_json::{Value, json};

use crate::gate::{Fake, allowed};
use crate::running::{Running, body, large_body, review};

fn source(entry: &str) -> Source {
    Source::mutation("team", entry)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_patch_with_warnings_and_annotations_arrives_over_http1_and_http2() {
    let patch = json!([{"op": "add", "path": "/metadata/labels", "value": {"app": "api"}}]);
    let decision = Decision {
        allowed: true,
        patch: serde_json::from_value(patch).unwrap(),
        changes: vec![Change {
            source: source("labels"),
            mode: Mode::Enforce,
            path: "metadata.labels".to_owned(),
            before: None,
            after: Some(json!({"app": "api"})),
        }],
        warnings: vec![Finding {
            source: source("probes"),
            mode: Mode::Warn,
            path: "spec.containers[api]".to_owned(),
            message: "has no probe".to_owned(),
        }],
        ..Decision::default()
    };
    let server = Running::start(Fake::new(move |request| {
        assert_eq!(request.operation, Operation::Create);
        assert_eq!((request.namespace.as_str(), request.kind.kind.as_str()), ("production", "Pod"));
        assert_eq!(request.user_info.groups, ["system:authenticated"]);
        assert_eq!(request.object["metadata"]["name"], "api");
        assert_eq!((&request.old_object, request.dry_run), (&Value::Null, Some(false)));
        decision.clone()
    }))
    .await;
    for (client, version) in [(server.http1(), Version::HTTP_11), (server.http2(), Version::HTTP_2)] {
        let answer = server.post(&client, "/mutate?timeout=10s", body("u-1")).await;
        assert_eq!(answer.version, version);
        let want = json!({
            "uid": "u-1",
            "allowed": true,
            "patchType": "JSONPatch",
            "patch": "W3sib3AiOiJhZGQiLCJwYXRoIjoiL21ldGFkYXRhL2xhYmVscyIsInZhbHVlIjp7ImFwcCI6ImFwaSJ9fV0=",
            "warnings": ["team/probes: spec.containers[api]: has no probe"],
            "auditAnnotations": {"team.labels": "metadata.labels", "found.team.probes": "spec.containers[api]: has no probe"},
        });
        assert_eq!(answer.response(), want);
        // A validating webhook returns no patch.
        let answer = server.post(&client, "/validate-policies", body("u-2")).await;
        assert_eq!(answer.response().get("patch"), None);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_denial_is_403_with_every_violation() {
    let server = Running::start(Fake::new(|_| {
        let violation = |path: &str| Finding {
            source: source("images"),
            mode: Mode::Enforce,
            path: path.to_owned(),
            message: "is not allowed".to_owned(),
        };
        Decision { violations: vec![violation("spec.a"), violation("spec.b")], ..Decision::default() }
    }))
    .await;
    let response = server.post(&server.http2(), "/mutate", body("u")).await.response();
    let message = "team/images: spec.a: is not allowed\nteam/images: spec.b: is not allowed";
    assert_eq!(
        response,
        json!({
            "uid": "u",
            "allowed": false,
            "status": {"status": "Failure", "code": 403, "reason": "Forbidden", "message": message},
            "auditAnnotations": {"denied.team.images": "spec.a: is not allowed; spec.b: is not allowed"}
        })
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_hundred_requests_at_once_each_get_their_own_answer() {
    let server = Running::start(Fake::new(|request| {
        let mut decision = allowed();
        decision.warnings.push(Finding {
            source: source("echo"),
            mode: Mode::Warn,
            path: String::new(),
            message: request.uid.clone(),
        });
        decision
    }))
    .await;
    for client in [server.http1(), server.http2()] {
        let calls = (0..200).map(|n| {
            let uid = format!("u-{n}");
            // Every tenth is decided on a thread of its own.
            let body = if n % 10 == 0 { large_body(&uid, 100_000) } else { body(&uid) };
            let (server, client) = (&server, &client);
            async move { (uid, server.post(client, "/mutate", body).await.response()) }
        });
        for (uid, response) in join_all(calls).await {
            assert_eq!(response["uid"], *uid);
            assert_eq!(response["warnings"], json!([format!("team/echo: {uid}")]));
        }
    }
    server.stop().await;
}

/// Says of each object whether its managedFields were shown.
struct Looking {
    reads: AtomicBool,
    /// Whether it begins to read them while it decides, as when policies come into force that do.
    begins: bool,
}

impl Gate for Looking {
    fn mutate(&self, request: &Request, _: Share, _: Instant) -> Judgement {
        self.reads.fetch_or(self.begins, Ordering::SeqCst);
        let shown =
            [&request.object, &request.old_object].map(|o| o["metadata"].get("managedFields").is_some());
        let warning = Finding {
            source: source("shown"),
            mode: Mode::Warn,
            path: String::new(),
            message: format!("{shown:?}"),
        };
        Decision { warnings: vec![warning], ..allowed() }.into()
    }

    fn validate(&self, request: &Request, share: Share, deadline: Instant) -> Judgement {
        self.mutate(request, share, deadline)
    }

    fn check_resource(&self, request: &Request) -> Judgement {
        self.mutate(request, None, Instant::now())
    }

    fn reads_managed_fields(&self) -> bool {
        self.reads.load(Ordering::SeqCst)
    }

    fn ready(&self) -> Result<(), String> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn managed_fields_are_shown_where_a_decision_may_depend_on_them() {
    let managed = json!([{"manager": "kubectl", "fieldsV1": {"f:metadata": {"f:labels": {}}}}]);
    let mut review = review("u");
    review["request"]["object"]["metadata"]["managedFields"] = managed;
    review["request"]["oldObject"] = review["request"]["object"].clone();
    for (reads, begins, path, shown) in [
        (false, false, "/mutate", false),
        (false, false, "/validate", false),
        (true, false, "/mutate", true),
        (true, false, "/validate", true),
        (false, true, "/validate", true),
        (false, false, "/validate-policies", true),
    ] {
        let server = Running::start(Arc::new(Looking { reads: AtomicBool::new(reads), begins })).await;
        let response = server.post(&server.http2(), path, review.to_string().into_bytes()).await.response();
        let want = format!("team/shown: {:?}", [shown, shown]);
        assert_eq!(response["warnings"], json!([want]), "{path}, {reads}, {begins}");
        server.stop().await;
    }
}

/// Polls all at once, in one task.
async fn join_all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut futures: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        let mut pending = false;
        for (future, output) in &mut futures {
            if output.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(value) => *output = Some(value),
                    std::task::Poll::Pending => pending = true,
                }
            }
        }
        if pending { std::task::Poll::Pending } else { std::task::Poll::Ready(()) }
    })
    .await;
    futures.into_iter().filter_map(|(_, output)| output).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn any_content_type_that_is_json_is_taken_and_members_may_stand_in_any_order() {
    let server = Running::start(Fake::allowing()).await;
    let client = server.http2();
    for content_type in ["application/json", "Application/JSON; charset=utf-8"] {
        let request = client.post(server.url("/mutate")).header("content-type", content_type).body(body("u"));
        assert_eq!(request.send().await.unwrap().status(), 200, "{content_type}");
    }
    let review = review("u");
    let backwards = format!(
        "\n {{\"unknown\": {{\"a\": [1, {{}}]}}, \"request\": {}, \"kind\": \"AdmissionReview\", \
         \"apiVersion\": \"admission.k8s.io\\/v1\"}} \n",
        review["request"]
    );
    assert_eq!(server.post(&client, "/mutate", backwards.into()).await.response()["uid"], "u");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn other_paths_and_methods_are_named_as_what_they_are() {
    let server = Running::start(Fake::allowing()).await;
    for client in [server.http1(), server.http2()] {
        for path in ["/", "/mutate/", "/healthz", "/metrics", "/mutate/fails"] {
            let answer = server.post(&client, path, body("u")).await;
            assert_eq!(answer.status, 404, "{path}");
            let want = "no such path; an AdmissionReview is sent with POST to one of /mutate, /mutate/fail, \
                        /mutate/ignore, /validate, /validate/fail, /validate/ignore, /validate-policies\n";
            assert_eq!(answer.text, want);
        }
        let get = client.get(server.url("/mutate")).send().await.unwrap();
        assert_eq!(get.status(), 405);
        assert_eq!(get.headers()["allow"], "POST");
        assert_eq!(get.text().await.unwrap(), "an AdmissionReview is sent with POST\n");
    }
    server.stop().await;
}
