//! Traces: one span for each admission call, sent to a collector by OTLP over HTTP.
//!
//! Off unless an endpoint is named. The API server sends its own span along (W3C `traceparent`), and the call's span
//! becomes its child, so that a trace shows where an admission's time went. The standard variables say all else:
//! `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_TRACES_SAMPLER`, `OTEL_EXPORTER_OTLP_HEADERS`,
//! `OTEL_BSP_*`. Spans are sent by a thread of their own; those that a collector does not take are lost, and told of
//! once a minute.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use axum::http::{HeaderMap, Request, Response, Uri};
use bytes::Bytes;
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{
    BatchSpanProcessor, SdkTracerProvider, SpanData, SpanExporter as Export, SpanProcessor, Tracer,
};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use sallyport_admission::redact;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// How long the last spans may take to be sent when the program ends.
const FLUSH: Duration = Duration::from_secs(5);
/// How often a collector that cannot be reached is told of.
const TOLD: Duration = Duration::from_secs(60);
/// Where spans go below what names the base of all signals.
const PATH: &str = "/v1/traces";
/// What the specification says of the variables that are read here, in spans and milliseconds.
const QUEUE: usize = 2048;
const TIMEOUT: u64 = 10_000;

/// Whether spans are sent anywhere.
static ON: AtomicBool = AtomicBool::new(false);

/// Whether spans are sent anywhere.
pub(crate) fn on() -> bool {
    ON.load(Ordering::Relaxed)
}

/// What sends the spans.
pub(crate) struct Traces {
    provider: SdkTracerProvider,
    waiting: Arc<AtomicUsize>,
    endpoint: Arc<str>,
    lost: Lost,
}

impl Traces {
    /// Starts sending spans to `endpoint`, or to what the environment names; `None` where neither names one.
    pub(crate) fn start(endpoint: Option<&str>) -> anyhow::Result<Option<Self>> {
        let off = set("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let Some(endpoint) = endpoint_of(endpoint).filter(|_| !off) else { return Ok(None) };
        check(&endpoint)?;
        let cause = Cause::default();
        let timeout = number(["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"]);
        let client = reqwest::blocking::Client::builder()
            .timeout(Duration::from_millis(timeout.unwrap_or(TIMEOUT)))
            .build()
            .context("traces can't be sent")?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Client { client, cause: cause.clone() })
            .with_endpoint(&endpoint)
            .build()
            .context("traces can't be sent")?;
        let mut resource = Resource::builder();
        if set("OTEL_SERVICE_NAME").is_none() && !names_service() {
            resource = resource.with_service_name("sallyport");
        }
        let (waiting, lost) = (Arc::new(AtomicUsize::new(0)), Lost::default());
        let endpoint: Arc<str> = redact(&endpoint).into();
        let counting = Counting {
            exporter,
            waiting: Arc::clone(&waiting),
            endpoint: Arc::clone(&endpoint),
            lost: lost.clone(),
            cause,
        };
        let queue = Queue {
            next: BatchSpanProcessor::builder(counting).build(),
            waiting: Arc::clone(&waiting),
            most: number(["OTEL_BSP_MAX_QUEUE_SIZE"]).unwrap_or(QUEUE),
            endpoint: Arc::clone(&endpoint),
            lost: lost.clone(),
        };
        let provider =
            SdkTracerProvider::builder().with_resource(resource.build()).with_span_processor(queue).build();
        ON.store(true, Ordering::Relaxed);
        Ok(Some(Self { provider, waiting, endpoint, lost }))
    }

    /// Adds what is counted to a registry.
    pub(crate) fn register(&self, registry: &mut Registry) {
        let help =
            "Spans that were not sent: the collector did not take them, or they ended faster than it did";
        registry.register("trace_spans_lost", help, self.lost.spans.clone());
    }

    pub(crate) fn tracer(&self) -> Tracer {
        self.provider.tracer("sallyport")
    }

    /// Sends what is left, for at most [`FLUSH`].
    pub(crate) fn end(&self) {
        let endpoint = &*self.endpoint;
        let waiting = self.waiting.load(Ordering::Relaxed);
        if waiting > 0 {
            tracing::info!(spans = waiting, endpoint, within = ?FLUSH, "sending the last traces");
        }
        let ended = self.provider.shutdown_with_timeout(FLUSH);
        let waiting = u64::try_from(self.waiting.load(Ordering::Relaxed)).unwrap_or(u64::MAX);
        let lost = self.lost.spans.get() + waiting;
        if lost > 0 {
            let error = ended.err().map(tracing::field::display);
            tracing::warn!(lost, endpoint, error, "the traces end: spans are lost");
        }
    }
}

/// What a variable of the environment says; empty says nothing.
fn set(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

/// The first of these that says a number.
fn number<T: std::str::FromStr, const N: usize>(names: [&str; N]) -> Option<T> {
    names.into_iter().find_map(|name| set(name)?.trim().parse().ok())
}

/// Where spans are sent. The variable for all signals names the base of the path, and so does the flag.
fn endpoint_of(flag: Option<&str>) -> Option<String> {
    let below = |base: &str| format!("{}{PATH}", base.trim_end_matches('/'));
    flag.map(below)
        .or_else(|| set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"))
        .or_else(|| set("OTEL_EXPORTER_OTLP_ENDPOINT").as_deref().map(below))
}

/// Whether what is spoken here can be spoken with the endpoint.
fn check(endpoint: &str) -> anyhow::Result<()> {
    let uri: Option<Uri> = endpoint.parse().ok();
    let fits = |uri: &Uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some();
    if !uri.as_ref().is_some_and(fits) {
        bail!("traces can't be sent to {}: expected a URL such as http://127.0.0.1:4318", redact(endpoint));
    }
    for name in ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"] {
        if let Some(protocol) = set(name) {
            if protocol.trim() == "http/protobuf" {
                break;
            }
            bail!("traces can't be sent: {name} is {protocol}; only http/protobuf is spoken");
        }
    }
    Ok(())
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

/// Spans that were not sent.
#[derive(Clone, Debug, Default)]
struct Lost {
    spans: Counter,
    told: Arc<Mutex<Option<Instant>>>,
}

impl Lost {
    /// Counts them, and tells of it seldom.
    fn add(&self, spans: u64, endpoint: &str, why: &str) {
        self.spans.inc_by(spans);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|told| told.elapsed() >= TOLD) {
            *told = Some(Instant::now());
            tracing::warn!(lost = self.spans.get(), endpoint, error = why, "traces can't be sent");
        }
    }
}

/// Between spans that end and spans that are sent: bounds the queue as the processor behind it does, so that none is
/// lost uncounted.
#[derive(Debug)]
struct Queue {
    next: BatchSpanProcessor,
    waiting: Arc<AtomicUsize>,
    most: usize,
    endpoint: Arc<str>,
    lost: Lost,
}

impl SpanProcessor for Queue {
    fn on_start(&self, span: &mut opentelemetry_sdk::trace::Span, context: &opentelemetry::Context) {
        self.next.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if !span.span_context.is_sampled() {
            return;
        }
        let more = |waiting: usize| (waiting < self.most).then_some(waiting + 1);
        match self.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more) {
            Ok(_) => self.next.on_end(span),
            Err(_) => self.lost.add(1, &self.endpoint, "spans end faster than they are sent"),
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.next.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.next.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.next.set_resource(resource);
    }
}

/// Counts the spans that are sent, and those that could not be.
#[derive(Debug)]
struct Counting {
    exporter: SpanExporter,
    waiting: Arc<AtomicUsize>,
    endpoint: Arc<str>,
    lost: Lost,
    cause: Cause,
}

impl Export for Counting {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let sent = self.exporter.export(batch).await;
        // Until here the spans take memory.
        self.waiting.fetch_sub(spans, Ordering::Relaxed);
        if let Err(error) = &sent {
            let why = self.cause.take().unwrap_or_else(|| error.to_string());
            self.lost.add(u64::try_from(spans).unwrap_or(u64::MAX), &self.endpoint, &why);
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

/// Why the last request failed, in full: the exporter says no more than that it did.
#[derive(Clone, Debug, Default)]
struct Cause(Arc<Mutex<Option<String>>>);

impl Cause {
    fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn set(&self, cause: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = cause;
    }
}

/// Sends requests, and keeps why one failed.
#[derive(Debug)]
struct Client {
    client: reqwest::blocking::Client,
    cause: Cause,
}

impl HttpClient for Client {
    fn send_bytes<'c, 'f>(
        &'c self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'f>>
    where
        'c: 'f,
        Self: 'f,
    {
        Box::pin(async move {
            let sent = self.client.send_bytes(request).await;
            self.cause.set(sent.as_ref().err().map(|error| chain(error.as_ref())));
            sent
        })
    }
}

/// An error with all that it is due to, each once.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    for cause in std::iter::successors(error.source(), |cause| cause.source()) {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}
