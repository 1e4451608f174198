//! Traces, as a collector receives them.

use std::process::Stdio;
use std::sync::mpsc::{Receiver, Sender, channel};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message as _;

use crate::program::{Program, review};

/// A collector that speaks OTLP over HTTP: its address, and what it gets.
async fn collector() -> (String, Receiver<(HeaderMap, ExportTraceServiceRequest)>) {
    type Tell = Sender<(HeaderMap, ExportTraceServiceRequest)>;
    async fn take(State(tell): State<Tell>, headers: HeaderMap, body: Bytes) {
        let request = ExportTraceServiceRequest::decode(body).unwrap();
        tell.send((headers, request)).unwrap();
    }
    let (tell, got) = channel::<(HeaderMap, ExportTraceServiceRequest)>();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().route("/v1/traces", post(take)).with_state(tell);
    tokio::spawn(async move { axum::serve(listener, router).await });
    (address, got)
}

fn text(attributes: &[KeyValue], key: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == key);
    let value = found.and_then(|attribute| attribute.value.clone()?.value);
    match value {
        Some(any_value::Value::StringValue(text)) => text,
        other => panic!("{key} is {other:?} in {attributes:?}"),
    }
}

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_a_span_of_the_api_servers_trace_and_is_sent_before_the_end() {
    let (endpoint, got) = collector().await;
    let env = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=shop"),
        ("OTEL_SERVICE_NAME", "gate"),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test"),
    ];
    let mut program = Program::start_with(&[], &env, Stdio::null());
    let sampled = format!("00-{TRACE}-{PARENT}-01");
    program
        .post_with(
            "/mutate?timeout=10s",
            &review("u-1"),
            &[("traceparent", &sampled), ("tracestate", "shop=4111111111111111")],
        )
        .await;
    // What the API server does not sample is not sampled here.
    let unsampled = format!("00-{TRACE}-{PARENT}-00");
    program.post_with("/mutate", &review("u-2"), &[("traceparent", &unsampled)]).await;
    program.post("/validate", &review("u-3")).await;
    assert!(program.end().0.success());

    let mut spans: Vec<Span> = Vec::new();
    for (headers, request) in got.try_iter() {
        assert_eq!(headers["x-tenant"], "shop");
        for resource_spans in request.resource_spans {
            let resource = resource_spans.resource.unwrap().attributes;
            assert_eq!(text(&resource, "service.name"), "gate");
            assert_eq!(text(&resource, "deployment.environment"), "test");
            spans.extend(resource_spans.scope_spans.into_iter().flat_map(|scope| scope.spans));
        }
    }
    let uids: Vec<String> = spans.iter().map(|span| text(&span.attributes, "uid")).collect();
    assert_eq!(uids, ["u-1", "u-3"]);
    let span = &spans[0];
    assert_eq!((hex(&span.trace_id), hex(&span.parent_span_id)), (TRACE.to_owned(), PARENT.to_owned()));
    assert_eq!((span.name.as_str(), span.kind()), ("/mutate", SpanKind::Server));
    assert_eq!(text(&span.attributes, "verdict"), "patched");
    assert_eq!(text(&span.attributes, "namespace"), "shop");
    assert_eq!(span.trace_state, "", "what the caller writes is not passed on");
    assert!(span.end_time_unix_nano >= span.start_time_unix_nano);
    assert_ne!(hex(&spans[1].trace_id), TRACE);
    assert!(spans[1].parent_span_id.is_empty());
    assert!(!format!("{spans:?}").contains("value-of-the"), "no value of an object leaves");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_not_there_costs_nothing_but_a_line() {
    // Nobody listens on port 1.
    let env = [("OTEL_BSP_SCHEDULE_DELAY", "10")];
    let mut program = Program::start_with(&["--otlp-endpoint", "http://127.0.0.1:1"], &env, Stdio::null());
    assert_eq!(program.post("/mutate", &review("u-1")).await.0, 200);
    let line = program.says("traces can't be sent");
    assert_eq!(line["endpoint"], "http://127.0.0.1:1/v1/traces");
    assert!(line["error"].as_str().unwrap().contains("Connection refused"), "{line}");
    for n in 0..20 {
        assert_eq!(program.post("/mutate", &review(&format!("u-{n}"))).await.0, 200);
    }
    assert!(program.end().0.success());
    let told = program.said.iter().filter(|line| line["message"] == "traces can't be sent").count();
    assert_eq!(told, 1);
    let last = program.said.iter().find(|line| line["message"] == "the traces end: spans are lost");
    assert_eq!(last.unwrap()["lost"], 21);
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_that_find_no_room_are_counted_and_a_collector_that_is_silent_is_told_of() {
    // It takes connections, and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let env = [("OTEL_BSP_MAX_QUEUE_SIZE", "4"), ("OTEL_EXPORTER_OTLP_TIMEOUT", "600000")];
    let mut program = Program::start_with(&["--otlp-endpoint", &endpoint], &env, Stdio::null());
    for n in 0..10 {
        assert_eq!(program.post("/mutate", &review(&format!("u-{n}"))).await.0, 200);
    }
    assert_eq!(program.metric("sallyport_trace_spans_lost_total").await, 6.0);
    assert!(program.end().0.success());
    let line = program.said.iter().find(|line| line["message"] == "sending the last traces");
    assert_eq!(line.unwrap()["spans"], 4);
    let line = program.said.iter().find(|line| line["message"] == "the traces end: spans are lost");
    assert_eq!(line.unwrap()["lost"], 10);
}
