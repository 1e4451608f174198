//! What the server counts, for Prometheus.
//!
//! Every label has a fixed set of values: nothing that a client sends becomes one.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use sallyport_admission::{Decision, Operation};

use super::routes::Endpoint;

/// The content type of the exposition: OpenMetrics 1.0 text.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// From half the time of a small review to the API server's longest timeout, in seconds.
const DURATIONS: [f64; 13] =
    [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0, 30.0];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Answered {
    path: &'static str,
    operation: &'static str,
    verdict: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct At {
    path: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Because {
    reason: &'static str,
}

/// The server's metrics.
#[derive(Clone)]
pub(crate) struct Metrics {
    requests: Family<Answered, Counter>,
    durations: Family<At, Histogram, fn() -> Histogram>,
    in_flight: Gauge,
    malformed: Family<Because, Counter>,
    unanswered: Family<Because, Counter>,
    handshakes: Family<Because, Counter>,
    not_after: Gauge<f64, AtomicU64>,
}

impl Metrics {
    pub(crate) fn new(registry: &mut Registry) -> Self {
        let durations: fn() -> Histogram = || Histogram::new(DURATIONS);
        let metrics = Self {
            requests: Family::default(),
            durations: Family::new_with_constructor(durations),
            in_flight: Gauge::default(),
            malformed: Family::default(),
            unanswered: Family::default(),
            handshakes: Family::default(),
            not_after: Gauge::default(),
        };
        let admission = registry.sub_registry_with_prefix("admission");
        admission.register("requests", "Admission requests that were decided", metrics.requests.clone());
        admission.register_with_unit(
            "duration",
            "From a request's headers to its decision",
            Unit::Seconds,
            metrics.durations.clone(),
        );
        admission.register("in_flight", "Admission requests being decided", metrics.in_flight.clone());
        admission.register("malformed", "Requests that are no AdmissionReview", metrics.malformed.clone());
        admission.register(
            "unanswered",
            "Admission requests answered 503, or left by the client: the webhook's failurePolicy decided",
            metrics.unanswered.clone(),
        );
        let tls = registry.sub_registry_with_prefix("tls");
        tls.register("handshake_failures", "Connections that never spoke TLS", metrics.handshakes.clone());
        tls.register(
            "certificate_expiry_timestamp_seconds",
            "When the first certificate of the chain that is served expires, in Unix time",
            metrics.not_after.clone(),
        );
        metrics
    }

    /// A call begins. It counts as left by its client unless [`Call`] is told otherwise before it is dropped.
    pub(crate) fn begin(&self, endpoint: Endpoint) -> Call<'_> {
        self.in_flight.inc();
        Call { metrics: self, endpoint, begun: Instant::now(), ended: false }
    }

    pub(crate) fn handshake_failed(&self, reason: &'static str) {
        self.handshakes.get_or_create(&Because { reason }).inc();
    }

    pub(crate) fn certificate_expires(&self, unix_seconds: i64) {
        // Exact: seconds of Unix time stay far below 2^53.
        #[allow(clippy::cast_precision_loss)]
        self.not_after.set(unix_seconds as f64);
    }
}

/// One admission call, from its headers to its answer.
pub(crate) struct Call<'m> {
    metrics: &'m Metrics,
    endpoint: Endpoint,
    begun: Instant,
    ended: bool,
}

impl Call<'_> {
    pub(crate) fn milliseconds(&self) -> f64 {
        self.begun.elapsed().as_secs_f64() * 1000.0
    }

    pub(crate) fn decided(mut self, operation: Operation, verdict: Verdict) {
        self.ended = true;
        let path = self.endpoint.path();
        let operation = match operation {
            Operation::Create => "CREATE",
            Operation::Update => "UPDATE",
            Operation::Delete => "DELETE",
            Operation::Connect => "CONNECT",
        };
        let labels = Answered { path, operation, verdict: verdict.name() };
        self.metrics.requests.get_or_create(&labels).inc();
        self.metrics.durations.get_or_create(&At { path }).observe(self.begun.elapsed().as_secs_f64());
    }

    pub(crate) fn malformed(mut self, reason: &'static str) {
        self.ended = true;
        self.metrics.malformed.get_or_create(&Because { reason }).inc();
    }

    pub(crate) fn unanswered(mut self, reason: &'static str) {
        self.ended = true;
        self.metrics.unanswered.get_or_create(&Because { reason }).inc();
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.metrics.in_flight.dec();
        if !self.ended {
            self.metrics.unanswered.get_or_create(&Because { reason: "client-left" }).inc();
        }
    }
}

/// A decision in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Allowed,
    Patched,
    Denied,
}

impl Verdict {
    pub(crate) fn of(decision: &Decision, patches: bool) -> Self {
        match decision.allowed {
            false => Self::Denied,
            true if patches && !decision.patch.0.is_empty() => Self::Patched,
            true => Self::Allowed,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Patched => "patched",
            Self::Denied => "denied",
        }
    }
}

/// The registry as OpenMetrics text.
pub(crate) fn exposition(registry: &Arc<Registry>) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, registry)?;
    Ok(text)
}
