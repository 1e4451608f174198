//! The plain port.

use prometheus_client::metrics::gauge::Gauge;
use sallyport::server::{Config, Identity, Server};
use sallyport_admission::Decision;

use crate::gate::{Fake, allowed};
use crate::running::{Running, body, limits, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readiness_is_the_gates_and_health_is_the_servers() {
    let gate = Fake::allowing();
    let server = Running::start(gate.clone()).await;
    server.reached_itself().await;
    for (ready, status, text) in
        [(true, 200, "ok\n"), (false, 503, "no policy has been read yet\n"), (true, 200, "ok\n")]
    {
        gate.set_ready(ready);
        let answer = server.get("/readyz").await;
        assert_eq!((answer.status, answer.text.as_str()), (status, text));
        assert_eq!(server.get("/healthz").await.text, "ok\n");
    }
    let other = server.get("/mutate").await;
    assert_eq!(other.status, 404);
    assert_eq!(other.text, "no such path: there are GET /healthz, GET /readyz and GET /metrics\n");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn metrics_tell_what_was_decided_and_hold_no_label_from_a_client() {
    let server = Running::start(Fake::new(|request| match request.uid.as_str() {
        "deny" => Decision::default(),
        "patch" => {
            let patch = serde_json::from_value(serde_json::json!([{"op": "remove", "path": "/a"}])).unwrap();
            Decision { allowed: true, patch, ..Decision::default() }
        }
        _ => allowed(),
    }))
    .await;
    let client = server.http2();
    for uid in ["deny", "deny", "patch", "allow"] {
        server.post(&client, "/mutate", body(uid)).await.response();
    }
    server.post(&client, "/validate-policies", body("patch")).await.response();
    server.post(&client, "/mutate", b"{}".to_vec()).await;
    server.post(&client, "/unheard-of", body("allow")).await;
    let answer = server.get("/metrics").await;
    assert_eq!(answer.content_type, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let text = answer.text;
    for line in [
        "# TYPE sallyport_admission_requests counter",
        "sallyport_admission_requests_total{path=\"/mutate\",operation=\"CREATE\",verdict=\"denied\"} 2",
        "sallyport_admission_requests_total{path=\"/mutate\",operation=\"CREATE\",verdict=\"patched\"} 1",
        "sallyport_admission_requests_total{path=\"/mutate\",operation=\"CREATE\",verdict=\"allowed\"} 1",
        "sallyport_admission_requests_total{path=\"/validate-policies\",operation=\"CREATE\",verdict=\"allowed\"} 1",
        "# UNIT sallyport_admission_duration_seconds seconds",
        "sallyport_admission_duration_seconds_count{path=\"/mutate\"} 4",
        "sallyport_admission_duration_seconds_bucket{le=\"10.0\",path=\"/mutate\"} 4",
        "sallyport_admission_in_flight 0",
        "sallyport_admission_malformed_total{reason=\"missing\"} 1",
        "# TYPE sallyport_tls_certificate_expiry_timestamp_seconds gauge",
        "# EOF",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\nis not in\n{text}");
    }
    assert!(!text.contains("unheard-of"));
    let expiry =
        text.lines().find_map(|l| l.strip_prefix("sallyport_tls_certificate_expiry_timestamp_seconds "));
    let expiry: f64 = expiry.unwrap().parse().unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    assert!((820.0..830.0).contains(&((expiry - now) / 86_400.0)), "{expiry}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_program_registers_metrics_of_its_own() {
    let any = "127.0.0.1:0".parse().unwrap();
    let identity = Identity::SelfIssued { names: Vec::new(), ca: None };
    let config = Config { admission: any, operations: any, identity, limits: limits() };
    let mut server = Server::bind(config, Fake::allowing()).await.unwrap();
    let policies = Gauge::<i64>::default();
    server.registry_mut().register("policies", "Policies in force", policies.clone());
    policies.set(7);
    let url = format!("http://{}/metrics", server.operations_addr());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(server.run(async {
        let _ = stopped.await;
    }));
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let text = client.get(url).send().await.unwrap().text().await.unwrap();
    assert!(text.contains("sallyport_policies 7\n"), "{text}");
    stop.send(()).unwrap();
    within(running).await.unwrap();
}
