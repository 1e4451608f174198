//! What the server counts, for Prometheus.
//!
//! Every label has a fixed set of values, or that of the policies in force: nothing that a client sends becomes one.
//! Series with fixed labels are there from the start, at 0, so that the first event is an increase.

use std::collections::HashSet;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use sallyport_admission::{Decision, Finding, Mode, Operation};

use super::connection::HandshakeFailure;
use super::failure::{Class, Failure};
use super::process::Process;
use super::review::Fault;
use super::routes::Endpoint;
use super::tls::Current;
use super::verdict::Verdict;

/// The content type of the exposition: OpenMetrics 1.0 text.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What all names of ours begin with.
pub(crate) const PREFIX: &str = "sallyport";

/// From half the time of a small review to the deadline, in seconds.
const DURATIONS: [f64; 14] =
    [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.25, 1.0, 2.5, 5.0, 10.0];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Answered {
    path: &'static str,
    operation: &'static str,
    verdict: &'static str,
}

/// The policies that have series of their own; all others share one.
const POLICIES: usize = 1000;
/// The name under which they do. No policy has it: a resource's name holds no brackets.
const OTHERS: &str = "(other)";

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct By {
    policy: Arc<str>,
    mode: &'static str,
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
    left: Counter,
    violations: Family<By, Counter>,
    policies: Arc<Mutex<HashSet<Arc<str>>>>,
    handshakes: Family<Because, Counter>,
    connections: Gauge,
    connections_limit: Gauge,
    gave_way: Counter,
    not_after: Gauge<f64, AtomicU64>,
    unusable: Gauge,
    suppressed: Counter,
    process: Process,
}

impl Metrics {
    /// Adds the metrics to the registry: of the process under `process`, all others under `sallyport`.
    pub(crate) fn new(registry: &mut Registry) -> Self {
        let process = Process::new(registry);
        let registry = registry.sub_registry_with_prefix(PREFIX);
        let durations: fn() -> Histogram = || Histogram::new(DURATIONS);
        let metrics = Self {
            requests: Family::default(),
            durations: Family::new_with_constructor(durations),
            in_flight: Gauge::default(),
            malformed: Family::default(),
            unanswered: Family::default(),
            left: Counter::default(),
            violations: Family::default(),
            policies: Arc::default(),
            handshakes: Family::default(),
            connections: Gauge::default(),
            connections_limit: Gauge::default(),
            gave_way: Counter::default(),
            not_after: Gauge::default(),
            unusable: Gauge::default(),
            suppressed: Counter::default(),
            process,
        };
        metrics.begin_at_zero();
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The program", version);
        registry.register(
            "log_lines_suppressed",
            "Lines about malformed or unanswered requests, and about failed TLS handshakes, that were left out of the log",
            metrics.suppressed.clone(),
        );
        let admission = registry.sub_registry_with_prefix("admission");
        admission.register("requests", "Admission requests that were decided", metrics.requests.clone());
        admission.register_with_unit(
            "duration",
            "From a request's headers to its answer, of those that were decided; waiting for the audit log included",
            Unit::Seconds,
            metrics.durations.clone(),
        );
        admission.register(
            "in_flight",
            "Admission requests without an answer yet",
            metrics.in_flight.clone(),
        );
        admission.register(
            "malformed",
            "Requests that were refused as they stood (4xx): no AdmissionReview, or too large a one",
            metrics.malformed.clone(),
        );
        admission.register(
            "unanswered",
            "Admission requests without a decision (503, or 408 where the body was not there in time): the webhook's failurePolicy decided",
            metrics.unanswered.clone(),
        );
        admission.register(
            "left",
            "Admission requests that their client gave up before there was an answer",
            metrics.left.clone(),
        );
        admission.register(
            "violations",
            "Violations of policies: refused (Enforce), warned of (Warn), noted (Audit), let in by exceptions (Excepted)",
            metrics.violations.clone(),
        );
        let tls = registry.sub_registry_with_prefix("tls");
        tls.register("handshake_failures", "TLS handshakes that came to nothing", metrics.handshakes.clone());
        tls.register(
            "certificate_expiry_timestamp_seconds",
            "When the first certificate of the chain that is served expires, in Unix time",
            metrics.not_after.clone(),
        );
        tls.register(
            "certificate_unusable",
            "1 where the certificate's files can't be served as they stand, or what is served is not valid today",
            metrics.unusable.clone(),
        );
        tls.register(
            "connections",
            "Connections of the TLS port, handshakes included",
            metrics.connections.clone(),
        );
        tls.register(
            "connections_limit",
            "Connections that the TLS port may have",
            metrics.connections_limit.clone(),
        );
        tls.register(
            "connections_gave_way",
            "Connections of the TLS port that were closed because another needed their place",
            metrics.gave_way.clone(),
        );
        metrics
    }

    fn begin_at_zero(&self) {
        for endpoint in Endpoint::ALL {
            let path = endpoint.path();
            drop(self.durations.get_or_create(&At { path }));
            for operation in OPERATIONS.map(operation) {
                for verdict in Verdict::ALL {
                    if verdict != Verdict::Patched || endpoint.patches() {
                        let verdict = verdict.name();
                        drop(self.requests.get_or_create(&Answered { path, operation, verdict }));
                    }
                }
            }
        }
        for failure in Failure::ALL {
            match failure.class() {
                Class::Malformed(_, reason) => drop(self.malformed.get_or_create(&Because { reason })),
                Class::Unanswered(_, reason) => drop(self.unanswered.get_or_create(&Because { reason })),
            }
        }
        for reason in Fault::REASONS {
            drop(self.malformed.get_or_create(&Because { reason }));
        }
        for failure in HandshakeFailure::ALL {
            drop(self.handshakes.get_or_create(&Because { reason: failure.reason() }));
        }
    }

    /// That policies with violations in these modes are in force: their series begin at 0, too.
    pub(crate) fn begin_violations(&self, policies: impl IntoIterator<Item = (Arc<str>, Mode)>) {
        for (policy, mode) in policies {
            let policy = self.known(&policy);
            drop(self.violations.get_or_create(&By { policy, mode: name(mode) }));
        }
    }

    /// A call begins. It counts as left by its client unless [`Call`] is told otherwise before it is dropped.
    pub(crate) fn begin(&self, endpoint: Endpoint) -> Call<'_> {
        self.in_flight.inc();
        Call { metrics: self, endpoint, begun: Instant::now(), ended: false }
    }

    pub(crate) fn handshake_failed(&self, failure: HandshakeFailure) {
        self.handshakes.get_or_create(&Because { reason: failure.reason() }).inc();
    }

    /// How many connections there may be.
    pub(crate) fn bounded(&self, connections: usize) {
        self.connections_limit.set(i64::try_from(connections).unwrap_or(i64::MAX));
    }

    pub(crate) fn gave_way(&self) {
        self.gave_way.inc();
    }

    /// What is served to connections that begin at `now`, in Unix time.
    pub(crate) fn serves(&self, current: &Current, now: i64) {
        // Exact: seconds of Unix time stay far below 2^53.
        #[allow(clippy::cast_precision_loss)]
        self.not_after.set(current.not_after as f64);
        self.unusable.set(i64::from(current.outdated || current.check(now).is_err()));
    }

    /// A connection begins; it ends when what is returned is dropped.
    pub(crate) fn connected(&self) -> Connected {
        self.connections.inc();
        Connected(self.connections.clone())
    }

    pub(crate) fn suppressed(&self) {
        self.suppressed.inc();
    }

    /// What a decision about a workload found, by policy.
    fn found(&self, decision: &Decision) {
        let mode = |finding: &Finding| name(finding.mode);
        let refused = decision.violations.iter().map(|finding| (finding, "Enforce"));
        let told = decision.warnings.iter().map(|finding| (finding, mode(finding)));
        let excepted = decision.excepted.iter().map(|finding| (finding, "Excepted"));
        for (finding, mode) in refused.chain(told).chain(excepted) {
            let policy = self.known(&finding.source.policy);
            self.violations.get_or_create(&By { policy, mode }).inc();
        }
    }

    /// The policy's name, or the one that all policies share beyond the first [`POLICIES`].
    fn known(&self, policy: &Arc<str>) -> Arc<str> {
        let mut policies = self.policies.lock().unwrap_or_else(PoisonError::into_inner);
        if policies.contains(policy) {
            Arc::clone(policy)
        } else if policies.len() < POLICIES {
            policies.insert(Arc::clone(policy));
            Arc::clone(policy)
        } else {
            OTHERS.into()
        }
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
    pub(crate) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    pub(crate) fn decided(mut self, operation: Operation, verdict: Verdict, decision: &Decision) {
        self.ended = true;
        let path = self.endpoint.path();
        // What is asked about Sallyport's own resources names the resource, which is the client's to name.
        if self.endpoint != Endpoint::ValidatePolicies {
            self.metrics.found(decision);
        }
        let labels = Answered { path, operation: self::operation(operation), verdict: verdict.name() };
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
            self.metrics.left.inc();
        }
    }
}

/// A connection that is counted.
pub(crate) struct Connected(Gauge);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.dec();
    }
}

const OPERATIONS: [Operation; 4] =
    [Operation::Create, Operation::Update, Operation::Delete, Operation::Connect];

fn name(mode: Mode) -> &'static str {
    match mode {
        Mode::Enforce => "Enforce",
        Mode::Warn => "Warn",
        Mode::Audit => "Audit",
    }
}

fn operation(operation: Operation) -> &'static str {
    match operation {
        Operation::Create => "CREATE",
        Operation::Update => "UPDATE",
        Operation::Delete => "DELETE",
        Operation::Connect => "CONNECT",
    }
}

/// The registry as OpenMetrics text.
pub(crate) fn exposition(registry: &Registry, metrics: &Metrics) -> Result<String, std::fmt::Error> {
    metrics.process.read();
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, registry)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use sallyport_admission::Source;

    use super::*;

    fn shown(registry: &Registry, metrics: &Metrics) -> String {
        exposition(registry, metrics).unwrap()
    }

    #[test]
    fn series_with_fixed_labels_begin_at_zero() {
        let mut registry = Registry::default();
        let metrics = Metrics::new(&mut registry);
        let text = shown(&registry, &metrics);
        for line in [
            "sallyport_admission_requests_total{path=\"/validate/fail\",operation=\"UPDATE\",verdict=\"denied\"} 0",
            "sallyport_admission_unanswered_total{reason=\"deadline\"} 0",
            "sallyport_admission_malformed_total{reason=\"duplicate\"} 0",
            "sallyport_admission_duration_seconds_count{path=\"/mutate\"} 0",
            "sallyport_admission_left_total 0",
            "sallyport_tls_handshake_failures_total{reason=\"rejected-certificate\"} 0",
            "sallyport_tls_certificate_unusable 0",
            concat!("sallyport_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\nis not in\n{text}");
        }
        assert!(!text.contains("path=\"/validate\",operation=\"CREATE\",verdict=\"patched\""));
        assert!(text.lines().any(|line| line.starts_with("process_resident_memory_bytes ")), "{text}");
    }

    #[test]
    fn a_thousand_policies_have_series_of_their_own_and_the_others_one_together() {
        let mut registry = Registry::default();
        let metrics = Metrics::new(&mut registry);
        let finding = |policy: &str| Finding {
            source: Source::validation(policy, "entry"),
            mode: Mode::Warn,
            path: String::new(),
            message: String::new(),
        };
        let warnings = (0..1100).map(|n| finding(&format!("p{n}"))).collect();
        let decision = Decision {
            violations: vec![finding("p7"); 3],
            excepted: vec![finding("p7"); 2],
            warnings,
            ..Decision::default()
        };
        metrics.begin(Endpoint::Validate(None)).decided(Operation::Create, Verdict::Denied, &decision);
        // What a client may name becomes no label.
        metrics.begin(Endpoint::ValidatePolicies).decided(Operation::Create, Verdict::Denied, &decision);
        let text = shown(&registry, &metrics);
        let series = |policy: &str, mode: &str, count: u32| {
            format!("sallyport_admission_violations_total{{policy=\"{policy}\",mode=\"{mode}\"}} {count}")
        };
        for line in [
            series("p7", "Enforce", 3),
            series("p7", "Excepted", 2),
            series("p7", "Warn", 1),
            series(OTHERS, "Warn", 100),
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\nis not in\n{text}");
        }
    }
}
