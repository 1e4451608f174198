//! What the log is told of a call: never the object itself.

use std::borrow::Cow;

use sallyport_admission::Request;
use tracing::{Span, field};

use super::routes::Endpoint;
use super::verdict::Verdict;
use crate::audit::{Told, is_uuid};
use crate::plain::{cut, redacted_within};
use crate::traces;

/// The bytes of a field of the log. A namespace's name has 63, an object's 253.
const FIELD_BYTES: usize = 256;

/// What every event of a call is told with.
pub(super) fn span(endpoint: Endpoint) -> Span {
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

/// Tells the log of a decision.
pub(super) fn tell(verdict: Verdict, told: &Told, ms: f64) {
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

/// Text of a request as the log shows it.
fn in_log(text: &str) -> Cow<'_, str> {
    redacted_within(text, FIELD_BYTES)
}

/// Whether anybody is told of requests that are allowed.
pub(super) fn allowed_is_told() -> bool {
    tracing::enabled!(tracing::Level::DEBUG) || traces::on()
}

/// A request that is described to the log when this is dropped, by a panic too, unless it is `quiet`: to write what is
/// asked about costs more than to decide about it, and of most requests nothing is told.
pub(super) struct Described<'r> {
    pub(super) request: &'r Request,
    pub(super) quiet: bool,
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

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};
    use std::time::{Duration, Instant};

    use sallyport_admission::Decision;
    use serde_json::{Value, json};
    use tokio::sync::Semaphore;
    use tracing_subscriber::fmt::MakeWriter;

    use super::super::call::judge;
    use super::super::{Gate, Judgement, Share, review};
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
        fn mutate(&self, _: &Request, _: Share, _: Instant) -> Judgement {
            Judgement::default()
        }

        fn validate(&self, _: &Request, _: Share, _: Instant) -> Judgement {
            Judgement::default()
        }

        fn check_resource(&self, _: &Request) -> Judgement {
            Judgement::default()
        }

        fn ready(&self) -> Result<(), String> {
            Ok(())
        }
    }

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(60)
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
            let judged =
                span.in_scope(|| judge(&Refusing, Endpoint::ValidatePolicies, &body, later(), &memory()));
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
        fn mutate(&self, _: &Request, _: Share, _: Instant) -> Judgement {
            Decision { allowed: true, ..Decision::default() }.into()
        }

        fn validate(&self, request: &Request, share: Share, deadline: Instant) -> Judgement {
            self.mutate(request, share, deadline)
        }

        fn check_resource(&self, request: &Request) -> Judgement {
            self.mutate(request, None, later())
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
                assert!(
                    span.in_scope(|| judge(gate, Endpoint::Mutate(None), &body, later(), &memory())).is_ok()
                );
                span.in_scope(|| tracing::info!("told"));
            });
            log.take().contains("uid=\"u-1\"")
        };
        assert!(!described(&Allowing, tracing::Level::INFO));
        assert!(described(&Allowing, tracing::Level::DEBUG));
        assert!(described(&Refusing, tracing::Level::INFO));
    }

    #[test]
    fn the_log_holds_no_card_number_that_a_name_holds() {
        for line in logged("card-4111-1111-1111-1111") {
            assert!(!line.contains("1111") && line.contains("[redacted-card-number]"), "{line}");
        }
    }
}
