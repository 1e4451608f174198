//! Traces: one span for each admission call, sent to a collector by OTLP over HTTP.
//!
//! Off unless an endpoint is named. The API server sends its own span along (W3C `traceparent`), and the call's span
//! becomes its child, so that a trace shows where an admission's time went. The standard variables say all else:
//! `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_TRACES_SAMPLER`, `OTEL_EXPORTER_OTLP_HEADERS`,
//! `OTEL_BSP_*`. Spans are sent by a thread of their own; those that a collector does not take are lost, and told of
//! once a minute.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use axum::http::HeaderMap;
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter as Export, Tracer};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// How long the last spans may take to be sent when the program ends.
const FLUSH: Duration = Duration::from_secs(5);
/// How often a collector that cannot be reached is told of.
const TOLD: Duration = Duration::from_secs(60);
/// Name an endpoint; the first wins where both are set. The exporter reads them itself.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];

/// Whether spans are sent anywhere.
static ON: AtomicBool = AtomicBool::new(false);

/// Whether spans are sent anywhere.
pub(crate) fn on() -> bool {
    ON.load(Ordering::Relaxed)
}

/// What sends the spans.
pub(crate) struct Traces(SdkTracerProvider);

impl Traces {
    /// Starts sending spans to `endpoint`, or to what the environment names; `None` where neither names one.
    pub(crate) fn start(endpoint: Option<&str>) -> anyhow::Result<Option<Self>> {
        let set = |name: &str| std::env::var(name).is_ok_and(|value| !value.trim().is_empty());
        let off = std::env::var("OTEL_SDK_DISABLED").is_ok_and(|value| value.eq_ignore_ascii_case("true"));
        if off || (endpoint.is_none() && !ENDPOINTS.into_iter().any(set)) {
            return Ok(None);
        }
        let exporter = SpanExporter::builder().with_http();
        // As the variable for all signals: what is named is the base of the path.
        let exporter = match endpoint {
            Some(base) => exporter.with_endpoint(format!("{}/v1/traces", base.trim_end_matches('/'))),
            None => exporter,
        };
        let exporter = exporter.build().context("traces can't be sent")?;
        let mut resource = Resource::builder();
        if !set("OTEL_SERVICE_NAME") && !names_service() {
            resource = resource.with_service_name("sallyport");
        }
        let provider = SdkTracerProvider::builder()
            .with_resource(resource.build())
            .with_batch_exporter(Telling::new(exporter))
            .build();
        ON.store(true, Ordering::Relaxed);
        Ok(Some(Self(provider)))
    }

    pub(crate) fn tracer(&self) -> Tracer {
        self.0.tracer("sallyport")
    }

    /// Sends what is left, for at most [`FLUSH`].
    pub(crate) fn end(self) {
        // What was not sent has been told of.
        let _ = self.0.shutdown_with_timeout(FLUSH);
    }
}

fn names_service() -> bool {
    std::env::var("OTEL_RESOURCE_ATTRIBUTES").is_ok_and(|attributes| attributes.contains("service.name="))
}

/// Makes `span`, which nobody has entered yet, the child of the span that the caller names in `traceparent`.
pub(crate) fn continues(span: &Span, headers: &HeaderMap) {
    if !on() || span.is_disabled() || !headers.contains_key("traceparent") {
        return;
    }
    let parent = TraceContextPropagator::new().extract(&Headers(headers));
    // Where it cannot be set, the span begins a trace of its own.
    let _ = span.set_parent(parent);
}

/// The headers, but for `tracestate`: whoever calls may write anything into it, and it would stand in every span (W3C
/// Trace Context, section 3.3: who can't take it, leaves it out).
struct Headers<'h>(&'h HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).filter(|_| key == "traceparent").and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent"]
    }
}

/// Tells of spans that could not be sent, seldom.
#[derive(Debug)]
struct Telling {
    exporter: SpanExporter,
    lost: AtomicU64,
    told: Mutex<Option<Instant>>,
}

impl Telling {
    fn new(exporter: SpanExporter) -> Self {
        Self { exporter, lost: AtomicU64::new(0), told: Mutex::new(None) }
    }

    fn tell(&self, spans: u64, error: &impl std::fmt::Display) {
        let lost = self.lost.fetch_add(spans, Ordering::Relaxed) + spans;
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|told| told.elapsed() >= TOLD) {
            *told = Some(Instant::now());
            tracing::warn!(lost, %error, "traces can't be sent");
        }
    }
}

impl Export for Telling {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        let sent = self.exporter.export(batch).await;
        if let Err(error) = &sent {
            self.tell(spans, error);
        }
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
