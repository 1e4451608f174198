//! One admission call, from its headers to its answer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request as HttpRequest;
use axum::http::{HeaderValue, StatusCode, Version, header};
use axum::response::{IntoResponse, Response};
use sallyport_admission::{Operation, Request};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};
use tracing::{Instrument as _, Span, field};

use super::connection::Peer;
use super::deadline::allowance;
use super::failure::{Class, Failure};
use super::metrics::Metrics;
use super::routes::Endpoint;
use super::serve::Limits;
use super::throttle::Throttle;
use super::told::{Described, allowed_is_told, span, tell};
use super::unsent::Unsent;
use super::verdict::Verdict;
use super::weight::{has_too_many_containers, weigh};
use super::{Gate, Judgement, body, response, review};
use crate::audit::{AuditLog, Full, Outcome, Record, Told};
use crate::traces;

/// Bodies up to this size are decided on the thread that read them. To move work elsewhere costs some 10 µs, a
/// review of this size some 500 µs: longer than that, other calls on the thread should not wait.
const INLINE_BYTES: usize = 64 * 1024;
/// What decisions on such a thread may take of memory that nobody counts: each thread decides about one at a time.
const INLINE_WEIGHT: usize = 4 << 20;
/// What every call shares.
pub(crate) struct Admission {
    pub(crate) gate: Arc<dyn Gate>,
    pub(crate) metrics: Metrics,
    pub(crate) limits: Limits,
    audit: Option<AuditLog>,
    malformed: Throttle,
    unanswered: Throttle,
    /// Calls that may still begin.
    calls: Semaphore,
    /// Bytes of bodies that may still be held.
    memory: Arc<Semaphore>,
    /// Bytes that large bodies may still become.
    decisions: Arc<Semaphore>,
    /// Threads that may still be busy with large bodies.
    threads: Arc<Semaphore>,
    /// The thread that compiles policies to see whether they are right. That takes as long as their author likes, and
    /// must be in nobody else's way.
    compiling: Arc<Semaphore>,
}

impl Admission {
    pub(crate) fn new(
        gate: Arc<dyn Gate>,
        metrics: Metrics,
        mut limits: Limits,
        audit: Option<AuditLog>,
    ) -> Self {
        // What is acquired at a time is a u32.
        limits.decisions_bytes = limits.decisions_bytes.min(u32::MAX as usize).min(Semaphore::MAX_PERMITS);
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            gate,
            metrics,
            limits,
            audit,
            malformed: Throttle::default(),
            unanswered: Throttle::default(),
            calls: Semaphore::new(limits.in_flight.min(Semaphore::MAX_PERMITS)),
            memory: Arc::new(Semaphore::new(limits.bodies_bytes.min(Semaphore::MAX_PERMITS))),
            decisions: Arc::new(Semaphore::new(limits.decisions_bytes)),
            threads: Arc::new(Semaphore::new(threads)),
            compiling: Arc::new(Semaphore::new(1)),
        }
    }
}

/// Answers one request to `endpoint`.
pub(crate) async fn answer(admission: &Admission, endpoint: Endpoint, request: HttpRequest) -> Response {
    let span = span(endpoint);
    traces::continues(&span, request.headers());
    let call = admission.metrics.begin(endpoint);
    let allowance = allowance(request.uri(), admission.limits.deadline);
    let deadline = Instant::now() + allowance;
    let unsent = request.extensions().get().map(Arc::clone).unwrap_or_default();
    let version = request.version();
    let peer = request.extensions().get().map(|Peer(address)| field::display(*address));
    async {
        let outcome = decide(admission, endpoint, request, allowance, deadline).await;
        let outcome = put_on_record(admission, endpoint, outcome, call.elapsed(), deadline).await;
        let ms = (call.elapsed().as_secs_f64() * 1e6).round() / 1e3;
        match outcome {
            Ok(Decided { bytes, room, operation, verdict, told }) => {
                tell(verdict, &told, ms);
                call.decided(operation, verdict, &told.decision);
                let bytes = Unsent::hold(&unsent, bytes, room);
                ([(header::CONTENT_TYPE, "application/json")], bytes).into_response()
            }
            Err(failure) => {
                let class = failure.class();
                let throttle = match class {
                    Class::Malformed(..) => &admission.malformed,
                    Class::Unanswered(..) => &admission.unanswered,
                };
                let told = throttle.pass(std::time::Instant::now());
                if told.is_none() {
                    admission.metrics.suppressed();
                }
                let status = match class {
                    Class::Malformed(status, reason) => {
                        if let Some(suppressed) = told {
                            tracing::warn!(reason, peer, ms, suppressed, "malformed: {failure}");
                        }
                        call.malformed(reason);
                        status
                    }
                    Class::Unanswered(status, reason) => {
                        if let Some(suppressed) = told {
                            tracing::error!(reason, peer, ms, suppressed, "unanswered: {failure}");
                        }
                        call.unanswered(reason);
                        status
                    }
                };
                let mut response = (status, format!("{failure}\n")).into_response();
                // RFC 9110 section 15.5.9: what is left of the body is not waited for. HTTP/2 has no such header.
                if status == StatusCode::REQUEST_TIMEOUT && version < Version::HTTP_2 {
                    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                response
            }
        }
    }
    .instrument(span.clone())
    .await
}

pub(super) struct Decided {
    bytes: Vec<u8>,
    /// What the answer keeps of memory until it is sent.
    room: OwnedSemaphorePermit,
    operation: Operation,
    pub(super) verdict: Verdict,
    told: Told,
}

/// Puts what came of a call into the audit log, where there is one. A decision that finds no room in time is none.
async fn put_on_record(
    admission: &Admission,
    endpoint: Endpoint,
    outcome: Result<Decided, Failure>,
    took: Duration,
    deadline: Instant,
) -> Result<Decided, Failure> {
    let Some(audit) = &admission.audit else { return outcome };
    let said = match &outcome {
        Ok(decided) => Outcome::Decided { verdict: decided.verdict.name(), told: &decided.told },
        Err(failure) => match failure.class() {
            Class::Malformed(_, reason) => Outcome::Undecided { verdict: "malformed", reason },
            Class::Unanswered(_, reason) => Outcome::Undecided { verdict: "unanswered", reason },
        },
    };
    let line = Record::new(endpoint.path(), said, took).line();
    match audit.put(line, deadline).await {
        Ok(()) => outcome,
        // Why there is no decision matters more than that it is not on record.
        Err(Full) => Err(outcome.err().unwrap_or(Failure::NotOnRecord)),
    }
}

async fn decide(
    admission: &Admission,
    endpoint: Endpoint,
    request: HttpRequest,
    allowance: Duration,
    deadline: Instant,
) -> Result<Decided, Failure> {
    if let Err(failure) = body::check(request.headers()) {
        body::discard(request, &admission.limits).await;
        return Err(failure);
    }
    let Ok(_call) = admission.calls.try_acquire() else { return Err(Failure::Overload) };
    let body = request.into_body();
    let (bytes, held) =
        timeout_at(deadline, body::read(body, admission.limits.body_bytes, &admission.memory))
            .await
            .unwrap_or(Err(Failure::SlowBody(allowance)))?;
    let gate = Arc::clone(&admission.gate);
    let (weight, limit) = (weigh(&bytes), admission.limits.decisions_bytes);
    if weight > limit {
        return Err(Failure::TooHeavy { weight, limit });
    }
    let memory = Arc::clone(&admission.memory);
    let checks = endpoint == Endpoint::ValidatePolicies;
    if !checks && bytes.len() <= INLINE_BYTES && weight <= INLINE_WEIGHT {
        return judge(gate.as_ref(), endpoint, &bytes, deadline.into_std(), &memory);
    }
    let missed = |_| Failure::Deadline(allowance);
    let permits = u32::try_from(weight).map_err(|_| Failure::Overload)?;
    let room = timeout_at(deadline, Arc::clone(&admission.decisions).acquire_many_owned(permits))
        .await
        .map_err(missed)?
        .map_err(|_| Failure::Overload)?;
    let threads = if checks { &admission.compiling } else { &admission.threads };
    let thread = timeout_at(deadline, Arc::clone(threads).acquire_owned())
        .await
        .map_err(missed)?
        .map_err(|_| Failure::Overload)?;
    let span = Span::current();
    let judging = tokio::task::spawn_blocking(move || {
        // Held until the work ends, also where nobody waits for it any more.
        let _held = (thread, room, held);
        span.in_scope(|| judge(gate.as_ref(), endpoint, &bytes, deadline.into_std(), &memory))
    });
    timeout_at(deadline, judging).await.map_err(missed)?.unwrap_or(Err(Failure::Panicked))
}

/// Decodes, asks the gate, encodes. The answer has its room of `memory`.
pub(super) fn judge(
    gate: &dyn Gate,
    endpoint: Endpoint,
    body: &[u8],
    deadline: std::time::Instant,
    memory: &Arc<Semaphore>,
) -> Result<Decided, Failure> {
    let judged = catch_unwind(AssertUnwindSafe(|| {
        let decide = |request: &Request| {
            if has_too_many_containers(request) {
                return Err(Failure::TooManyContainers);
            }
            if endpoint != Endpoint::ValidatePolicies {
                gate.prepare(request, deadline).map_err(Failure::Unprepared)?;
            }
            Ok(match endpoint {
                Endpoint::Mutate(share) => gate.mutate(request, share, deadline),
                Endpoint::Validate(share) => gate.validate(request, share, deadline),
                Endpoint::ValidatePolicies => gate.check_resource(request),
            })
        };
        let in_whole = || endpoint == Endpoint::ValidatePolicies || gate.reads_managed_fields();
        let mut whole = in_whole();
        let (request, Judgement { decision, policies }) = loop {
            let request =
                if whole { review::decode(body)? } else { review::decode_without_managed_fields(body)? };
            let mut described = Described { request: &request, quiet: false };
            let judgement = decide(&request)?;
            described.quiet = judgement.decision.allowed && !allowed_is_told();
            drop(described);
            // Policies may have come into force meanwhile that look at what was not read.
            if whole || !in_whole() {
                break (request, judgement);
            }
            whole = true;
        };
        let patches = endpoint.patches();
        let bytes = response::encode(&request.uid, &decision, patches).map_err(|_| Failure::Panicked)?;
        let (operation, verdict) = (request.operation, Verdict::of(&decision, patches));
        let permits = u32::try_from(bytes.len()).map_err(|_| Failure::Overload)?;
        let room = Arc::clone(memory).try_acquire_many_owned(permits).map_err(|_| Failure::Overload)?;
        Ok(Decided { bytes, room, operation, verdict, told: Told::of(request, decision, policies) })
    }));
    judged.unwrap_or(Err(Failure::Panicked))
}
