//! One admission call, from its headers to its answer.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::extract::Request as HttpRequest;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, Version, header};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use sallyport_admission::{Operation, Request};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};
use tracing::{Instrument as _, Span, field};

use super::connection::Peer;
use super::metrics::{Metrics, Verdict};
use super::review::{self, Malformed};
use super::routes::Endpoint;
use super::serve::Limits;
use super::throttle::Throttle;
use super::unsent::Unsent;
use super::weight::{CONTAINERS_MAX, has_too_many_containers, weigh};
use super::{Gate, Judgement, response};
use crate::audit::{AuditLog, Full, Outcome, Record, Told, is_uuid};
use crate::plain::{cut, visible_within};
use crate::redact::redact;
use crate::traces;

/// Bodies up to this size are decided on the thread that read them. To move work elsewhere costs some 10 µs, a
/// review of this size some 500 µs: longer than that, other calls on the thread should not wait.
const INLINE_BYTES: usize = 64 * 1024;
/// What decisions on such a thread may take of memory that nobody counts: each thread decides about one at a time.
const INLINE_WEIGHT: usize = 4 << 20;
/// How long the rest of a refused request is read. Until it is, an HTTP/2 client may see a broken stream instead of the
/// answer (RFC 9113 section 8.1), and an HTTP/1.1 client a broken connection.
const DISCARD: Duration = Duration::from_secs(2);
/// The bytes of a field of the log. A namespace's name has 63, an object's 253.
const FIELD_BYTES: usize = 256;

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

/// Why a call has no decision.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the content type is not application/json; expected an AdmissionReview as application/json")]
    ContentType,
    #[error("the body is encoded; expected it without Content-Encoding")]
    ContentEncoding,
    #[error("the body has more than {limit} bytes; expected at most that many")]
    TooLarge { limit: usize },
    #[error("the body would take {weight} bytes of memory to decide about; expected at most {limit}")]
    TooHeavy { weight: usize, limit: usize },
    #[error("the object has more than {CONTAINERS_MAX} containers; expected at most that many")]
    TooManyContainers,
    #[error("the body did not arrive in time; expected it within {} ms", .0.as_millis())]
    SlowBody(Duration),
    #[error("the body ended before its announced end; expected all of it")]
    BrokenBody,
    #[error("{0}")]
    Malformed(#[from] Malformed),
    #[error("too many requests are being decided: try again")]
    Overload,
    #[error("no decision within {} ms", .0.as_millis())]
    Deadline(Duration),
    #[error(
        "the decision could not be put on record in time: the audit log is not written as fast as calls come in"
    )]
    NotOnRecord,
    #[error("the decision failed: this is a bug, and the log says more")]
    Panicked,
}

/// Who is told what about a failure.
enum Class {
    /// The request is at fault.
    Malformed(StatusCode, &'static str),
    /// We are, or nobody knows who is: the webhook's failurePolicy decides.
    Unanswered(StatusCode, &'static str),
}

impl Failure {
    fn class(&self) -> Class {
        match self {
            Self::ContentType => Class::Malformed(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content-type"),
            Self::ContentEncoding => Class::Malformed(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content-encoding"),
            Self::TooLarge { .. } => Class::Malformed(StatusCode::PAYLOAD_TOO_LARGE, "too-large"),
            Self::TooHeavy { .. } => Class::Malformed(StatusCode::PAYLOAD_TOO_LARGE, "too-heavy"),
            Self::TooManyContainers => Class::Malformed(StatusCode::PAYLOAD_TOO_LARGE, "too-many-containers"),
            Self::BrokenBody => Class::Malformed(StatusCode::BAD_REQUEST, "broken-body"),
            Self::Malformed(malformed) => Class::Malformed(StatusCode::BAD_REQUEST, malformed.fault.reason()),
            // Whether its sender was slow, the network, or we were too busy to read it, can't be told here.
            Self::SlowBody(_) => Class::Unanswered(StatusCode::REQUEST_TIMEOUT, "slow-body"),
            Self::Overload => Class::Unanswered(StatusCode::SERVICE_UNAVAILABLE, "overload"),
            Self::Deadline(_) => Class::Unanswered(StatusCode::SERVICE_UNAVAILABLE, "deadline"),
            Self::NotOnRecord => Class::Unanswered(StatusCode::SERVICE_UNAVAILABLE, "audit"),
            Self::Panicked => Class::Unanswered(StatusCode::SERVICE_UNAVAILABLE, "panic"),
        }
    }
}

/// What every event of a call is told with.
fn span(endpoint: Endpoint) -> Span {
    if traces::on() {
        return tracing::info_span!(
            "admission",
            otel.name = endpoint.path(),
            otel.kind = "server",
            path = endpoint.path(),
            uid = field::Empty,
            kind = field::Empty,
            namespace = field::Empty,
            object = field::Empty,
            operation = field::Empty,
            verdict = field::Empty,
        );
    }
    tracing::info_span!(
        "admission",
        path = endpoint.path(),
        uid = field::Empty,
        kind = field::Empty,
        namespace = field::Empty,
        object = field::Empty,
        operation = field::Empty,
    )
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

/// Tells the log of a decision.
fn tell(verdict: Verdict, told: &Told, ms: f64) {
    let verdict_name = verdict.name();
    Span::current().record("verdict", verdict_name);
    match verdict {
        Verdict::Denied if tracing::enabled!(tracing::Level::INFO) => {
            let violations = &told.decision.violations;
            let mut sources: Vec<String> = violations.iter().map(|v| v.source.to_string()).collect();
            sources.dedup();
            let sources = sources.join(", ");
            let why = violations.first().map(|first| match first.path.as_str() {
                "" => first.message.clone(),
                path => format!("{path}: {}", first.message),
            });
            let why = why.as_deref().map(in_log).unwrap_or_default();
            let user = in_log(told.user());
            tracing::info!(
                verdict = verdict_name,
                by = &*in_log(&sources),
                user = &*user,
                why = &*why,
                ms,
                "decided"
            );
        }
        Verdict::Denied => {}
        Verdict::Allowed | Verdict::Patched => tracing::debug!(verdict = verdict_name, ms, "decided"),
    }
}

struct Decided {
    bytes: Vec<u8>,
    /// What the answer keeps of memory until it is sent.
    room: OwnedSemaphorePermit,
    operation: Operation,
    verdict: Verdict,
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
    if let Err(failure) = check(request.headers()) {
        discard(request, &admission.limits).await;
        return Err(failure);
    }
    let Ok(_call) = admission.calls.try_acquire() else { return Err(Failure::Overload) };
    let body = request.into_body();
    let (bytes, held) =
        timeout_at(deadline, read(admission, body)).await.unwrap_or(Err(Failure::SlowBody(allowance)))?;
    let gate = Arc::clone(&admission.gate);
    let (weight, limit) = (weigh(&bytes), admission.limits.decisions_bytes);
    if weight > limit {
        return Err(Failure::TooHeavy { weight, limit });
    }
    let memory = Arc::clone(&admission.memory);
    let checks = endpoint == Endpoint::ValidatePolicies;
    if !checks && bytes.len() <= INLINE_BYTES && weight <= INLINE_WEIGHT {
        return judge(gate.as_ref(), endpoint, &bytes, &memory);
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
        span.in_scope(|| judge(gate.as_ref(), endpoint, &bytes, &memory))
    });
    timeout_at(deadline, judging).await.map_err(missed)?.unwrap_or(Err(Failure::Panicked))
}

/// Decodes, asks the gate, encodes. The answer has its room of `memory`.
fn judge(
    gate: &dyn Gate,
    endpoint: Endpoint,
    body: &[u8],
    memory: &Arc<Semaphore>,
) -> Result<Decided, Failure> {
    let judged = catch_unwind(AssertUnwindSafe(|| {
        let decide = |request: &Request| {
            if has_too_many_containers(request) {
                return Err(Failure::TooManyContainers);
            }
            Ok(match endpoint {
                Endpoint::Mutate(share) => gate.mutate(request, share),
                Endpoint::Validate(share) => gate.validate(request, share),
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

/// Text of a request as the log shows it.
fn in_log(text: &str) -> Cow<'_, str> {
    let read = text.get(..text.floor_char_boundary(16 * FIELD_BYTES)).unwrap_or(text);
    match redact(read) {
        Cow::Borrowed(read) => visible_within(read, FIELD_BYTES),
        Cow::Owned(redacted) => Cow::Owned(visible_within(&redacted, FIELD_BYTES).into_owned()),
    }
}

/// Whether anybody is told of requests that are allowed.
fn allowed_is_told() -> bool {
    tracing::enabled!(tracing::Level::DEBUG) || traces::on()
}

/// A request that is described to the log when this is dropped, by a panic too, unless it is `quiet`: to write what is
/// asked about costs more than to decide about it, and of most requests nothing is told.
struct Described<'r> {
    request: &'r Request,
    quiet: bool,
}

impl Drop for Described<'_> {
    fn drop(&mut self) {
        if !self.quiet {
            describe(self.request);
        }
    }
}

/// Tells the log what is asked about: never the object itself.
fn describe(request: &Request) {
    let span = Span::current();
    if span.is_disabled() {
        return;
    }
    let kind = &request.kind;
    let slash = if kind.group.is_empty() { "" } else { "/" };
    let part = |text| cut(Cow::Borrowed(text), 4 * FIELD_BYTES);
    let kind = format!("{}{slash}{} {}", part(&kind.group), part(&kind.version), part(&kind.kind));
    // Its digits are no card's, though they may pass for one's.
    let uid = if is_uuid(&request.uid) { Cow::Borrowed(request.uid.as_str()) } else { in_log(&request.uid) };
    // As text, which the log quotes: what is shown bare could pass for further fields. All at once: for each record, the
    // log writes all that it has of the span anew.
    tracing::record_all!(
        span,
        uid = &*uid,
        kind = &*in_log(&kind),
        namespace = &*in_log(&request.namespace),
        object = &*in_log(&request.name),
        operation = field::display(request.operation)
    );
}

fn check(headers: &HeaderMap) -> Result<(), Failure> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = text(header::CONTENT_TYPE).split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/json") {
        return Err(Failure::ContentType);
    }
    match text(header::CONTENT_ENCODING).trim() {
        "" => Ok(()),
        identity if identity.eq_ignore_ascii_case("identity") => Ok(()),
        _ => Err(Failure::ContentEncoding),
    }
}

/// How long a call may take: what the API server says it waits (`?timeout=10s`), at most `limit`.
fn allowance(uri: &Uri, limit: Duration) -> Duration {
    let said = uri.query().and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("timeout=")));
    said.and_then(go_duration).filter(|said| !said.is_zero()).map_or(limit, |said| said.min(limit))
}

/// A duration as Go writes it: `10s`, `2m30s`, `1.5s`, `500ms`. `None` for what is none, or negative.
fn go_duration(text: &str) -> Option<Duration> {
    const UNITS: [(&str, f64); 8] = [
        ("ns", 1e-9),
        ("us", 1e-6),
        // As a URL holds the micro sign and the Greek letter.
        ("%C2%B5s", 1e-6),
        ("%CE%BCs", 1e-6),
        ("ms", 1e-3),
        ("s", 1.0),
        ("m", 60.0),
        ("h", 3600.0),
    ];
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(end);
        let unit = |(name, scale): &(&str, f64)| Some((after.strip_prefix(name)?, *scale));
        let (after, scale) = UNITS.iter().find_map(unit)?;
        seconds += number.parse::<f64>().ok()? * scale;
        rest = after;
    }
    (!text.is_empty()).then(|| Duration::try_from_secs_f64(seconds).ok())?
}

/// Reads what is left of a request that is refused unread, within bounds; not where its sender waits to be asked for it.
pub(crate) async fn discard(request: HttpRequest, limits: &Limits) {
    if request.headers().contains_key(header::EXPECT) {
        return;
    }
    let mut body = request.into_body();
    let _ = timeout(DISCARD.min(limits.deadline), drain(&mut body, limits.body_bytes)).await;
}

async fn drain(body: &mut Body, most: usize) {
    let mut length = 0;
    while length <= most
        && let Some(Ok(frame)) = body.frame().await
    {
        length += frame.data_ref().map_or(0, Bytes::len);
    }
}

/// The whole body, and the memory that it takes up.
async fn read(
    admission: &Admission,
    mut body: Body,
) -> Result<(Bytes, Option<OwnedSemaphorePermit>), Failure> {
    let limit = admission.limits.body_bytes;
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    let mut held: Option<OwnedSemaphorePermit> = None;
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Failure::BrokenBody)?.into_data() else { continue };
        length += data.len();
        if announced.max(length) > limit {
            return Err(refuse_large(body, limit).await);
        }
        let permits = u32::try_from(data.len()).map_err(|_| Failure::Overload)?;
        let more =
            Arc::clone(&admission.memory).try_acquire_many_owned(permits).map_err(|_| Failure::Overload)?;
        match &mut held {
            Some(held) => held.merge(more),
            None => held = Some(more),
        }
        if first.is_empty() {
            first = data;
        } else {
            if all.is_empty() {
                all.reserve(announced.max(length));
                all.extend_from_slice(&first);
            }
            all.extend_from_slice(&data);
        }
    }
    Ok((if all.is_empty() { first } else { all.freeze() }, held))
}

/// Reads on for a while before it refuses: a client that is still sending when the connection closes may never see
/// the answer.
async fn refuse_large(mut body: Body, limit: usize) -> Failure {
    drain(&mut body, limit).await;
    Failure::TooLarge { limit }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Mutex;

    use sallyport_admission::Decision;
    use serde_json::{Value, json};
    use tracing_subscriber::fmt::MakeWriter;

    use super::super::Share;
    use super::*;
    use crate::plain::steers;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Log {
        fn take(&self) -> String {
            String::from_utf8(std::mem::take(&mut self.0.lock().unwrap())).unwrap()
        }
    }

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Log {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    struct Refusing;

    impl Gate for Refusing {
        fn mutate(&self, _: &Request, _: Share) -> Judgement {
            Judgement::default()
        }

        fn validate(&self, _: &Request, _: Share) -> Judgement {
            Judgement::default()
        }

        fn check_resource(&self, _: &Request) -> Judgement {
            Judgement::default()
        }

        fn ready(&self) -> Result<(), String> {
            Ok(())
        }
    }

    fn memory() -> Arc<Semaphore> {
        Arc::new(Semaphore::new(1 << 20))
    }

    /// What is logged of a review of which every text is `text`, in both formats.
    fn logged(text: &str) -> [String; 2] {
        let body = json!({"apiVersion": review::API_VERSION, "kind": review::KIND, "request": {
            "uid": text.chars().take(40).collect::<String>(), "operation": "CREATE", "namespace": text, "name": text,
            "kind": {"group": text, "version": text, "kind": text},
            "resource": {"group": text, "version": text, "resource": text},
            "object": {"metadata": {"name": text, "annotations": {"card": "4111 1111 1111 1111"}}},
        }});
        let body = serde_json::to_vec(&body).unwrap();
        let log = Log::default();
        // Its digits may be those that are looked for.
        let lines = tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false).without_time();
        let told = || {
            let span = span(Endpoint::ValidatePolicies);
            let judged = span.in_scope(|| judge(&Refusing, Endpoint::ValidatePolicies, &body, &memory()));
            span.in_scope(|| tracing::info!(verdict = judged.unwrap().verdict.name(), "decided"));
            log.take()
        };
        [
            tracing::subscriber::with_default(lines.finish(), told),
            tracing::subscriber::with_default(
                tracing_subscriber::fmt()
                    .with_writer(log.clone())
                    .without_time()
                    .json()
                    .with_span_list(false)
                    .finish(),
                told,
            ),
        ]
    }

    #[test]
    fn no_text_of_a_request_adds_a_line_or_a_field_to_the_log_or_steers_who_reads_it() {
        let text = "a\nb\r\u{1b}]0;x\u{7}\u{9b}2J\u{202e}\u{2066}\u{2028}\" operation=DELETE verdict=\"";
        for line in logged(text) {
            assert_eq!(line.matches('\n').count(), 1, "{line:?}");
            assert!(!line.trim_end_matches('\n').contains(steers), "{line:?}");
            assert!(
                !line.contains("\" operation=DELETE") || line.contains("\\\" operation=DELETE"),
                "{line}"
            );
            assert!(line.contains("decided"), "{line}");
        }
    }

    #[test]
    fn a_line_of_the_log_has_an_end_and_holds_nothing_of_the_object() {
        for text in ["n".repeat(200_000), "\u{1b}".repeat(200_000), "\"".repeat(200_000)] {
            for line in logged(&text) {
                assert!(line.len() < 4096 && line.contains('…'), "{}", line.len());
                assert!(!line.contains("4111"), "{line}");
            }
        }
        let [_, json] = logged("shop");
        let line: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(line["span"]["namespace"], "shop");
        assert_eq!(line["span"]["kind"], "shop/shop shop");
    }

    struct Allowing;

    impl Gate for Allowing {
        fn mutate(&self, _: &Request, _: Share) -> Judgement {
            Decision { allowed: true, ..Decision::default() }.into()
        }

        fn validate(&self, request: &Request, share: Share) -> Judgement {
            self.mutate(request, share)
        }

        fn check_resource(&self, request: &Request) -> Judgement {
            self.mutate(request, None)
        }

        fn ready(&self) -> Result<(), String> {
            Ok(())
        }
    }

    #[test]
    fn an_allowed_request_is_described_where_the_log_tells_of_it_and_any_other_always() {
        let body = json!({"apiVersion": review::API_VERSION, "kind": review::KIND, "request": {
            "uid": "u-1", "operation": "CREATE", "kind": {"version": "v1", "kind": "Pod"},
            "resource": {"version": "v1", "resource": "pods"}, "object": {},
        }});
        let body = serde_json::to_vec(&body).unwrap();
        let described = |gate: &dyn Gate, level| {
            let log = Log::default();
            let lines =
                tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false).with_max_level(level);
            tracing::subscriber::with_default(lines.finish(), || {
                let span = span(Endpoint::Mutate(None));
                assert!(span.in_scope(|| judge(gate, Endpoint::Mutate(None), &body, &memory())).is_ok());
                span.in_scope(|| tracing::info!("told"));
            });
            log.take().contains("uid=\"u-1\"")
        };
        assert!(!described(&Allowing, tracing::Level::INFO));
        assert!(described(&Allowing, tracing::Level::DEBUG));
        assert!(described(&Refusing, tracing::Level::INFO));
    }

    #[test]
    fn the_api_servers_timeout_shortens_the_deadline_and_never_lengthens_it() {
        let limit = Duration::from_secs(10);
        let check = |uri: &str, millis: u64| {
            let uri: Uri = uri.parse().unwrap();
            assert_eq!(allowance(&uri, limit), Duration::from_millis(millis), "{uri}");
        };
        check("/mutate", 10_000);
        check("/mutate?timeout=3s", 3000);
        check("/mutate?timeout=500ms", 500);
        check("/mutate?timeout=1.5s", 1500);
        check("/mutate?timeout=1s250ms", 1250);
        check("/mutate?timeout=2m30s", 10_000);
        check("/mutate?timeout=1000000%C2%B5s", 1000);
        check("/mutate?a=b&timeout=30s", 10_000);
        for wrong in
            ["soon", "-1s", "5", "0s", "", "s", "1.2.3s", "1e3s", "1s ", "NaNs", "99999999999999999999h"]
        {
            check(&format!("/mutate?timeout={}", wrong.replace(' ', "%20")), 10_000);
        }
    }

    #[test]
    fn the_log_holds_no_card_number_that_a_name_holds() {
        for line in logged("card-4111-1111-1111-1111") {
            assert!(!line.contains("1111") && line.contains("[redacted-card-number]"), "{line}");
        }
    }
}
