//! Which paths there are, on both ports.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use prometheus_client::registry::Registry;
use sallyport_admission::resources::FailurePolicy;
use time::OffsetDateTime;
use tokio::sync::watch;

use super::Gate;
use super::body;
use super::call::{self, Admission};
use super::metrics::{self, Metrics};
use super::self_check::Reached;
use super::serve::Phase;
use super::tls::Certificates;
use crate::audit::AuditLog;

/// The policies that a webhook entry asks: those with its own failurePolicy, or all.
///
/// The API server knows one failurePolicy for each entry of a webhook configuration, and policies may have either. So
/// there are two entries, and each is answered for its own policies alone.
pub type Share = Option<FailurePolicy>;

/// A path of the TLS port: what kind of question is asked there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// What workloads are given: `/mutate`, and `/mutate/fail` and `/mutate/ignore` for a share of the policies.
    Mutate(Share),
    /// What they are refused for: `/validate`, `/validate/fail` and `/validate/ignore`.
    Validate(Share),
    /// Sallyport's own resources: `/validate-policies`.
    ValidatePolicies,
}

impl Endpoint {
    /// Every path that there is.
    pub const ALL: [Self; 7] = [
        Self::Mutate(None),
        Self::Mutate(Some(FailurePolicy::Fail)),
        Self::Mutate(Some(FailurePolicy::Ignore)),
        Self::Validate(None),
        Self::Validate(Some(FailurePolicy::Fail)),
        Self::Validate(Some(FailurePolicy::Ignore)),
        Self::ValidatePolicies,
    ];

    /// The path, as a webhook configuration names it.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::Mutate(None) => "/mutate",
            Self::Mutate(Some(FailurePolicy::Fail)) => "/mutate/fail",
            Self::Mutate(Some(FailurePolicy::Ignore)) => "/mutate/ignore",
            Self::Validate(None) => "/validate",
            Self::Validate(Some(FailurePolicy::Fail)) => "/validate/fail",
            Self::Validate(Some(FailurePolicy::Ignore)) => "/validate/ignore",
            Self::ValidatePolicies => "/validate-policies",
        }
    }

    /// Whether a patch may be returned: not to a validating webhook.
    pub(crate) fn patches(self) -> bool {
        matches!(self, Self::Mutate(_))
    }
}

/// The paths of the TLS port.
pub(crate) fn admission(state: Arc<Admission>) -> Router {
    let mut router = Router::new();
    for endpoint in Endpoint::ALL {
        let handler = move |State(state): State<Arc<Admission>>, request: Request| async move {
            call::answer(&state, endpoint, request).await
        };
        router = router.route(endpoint.path(), post(handler));
    }
    router
        .method_not_allowed_fallback(async |State(state): State<Arc<Admission>>, request: Request| {
            body::discard(request, &state.limits).await;
            (StatusCode::METHOD_NOT_ALLOWED, "an AdmissionReview is sent with POST\n")
        })
        .fallback(async |State(state): State<Arc<Admission>>, request: Request| {
            body::discard(request, &state.limits).await;
            let paths = Endpoint::ALL.map(Endpoint::path).join(", ");
            (
                StatusCode::NOT_FOUND,
                format!("no such path; an AdmissionReview is sent with POST to one of {paths}\n"),
            )
        })
        .with_state(state)
}

/// What the plain port tells of.
pub(crate) struct Operations {
    pub(crate) gate: Arc<dyn Gate>,
    pub(crate) phase: watch::Receiver<Phase>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) metrics: Metrics,
    pub(crate) certificates: Arc<Certificates>,
    pub(crate) reached: watch::Receiver<Reached>,
    pub(crate) audit: Option<AuditLog>,
}

/// The paths of the plain port.
pub(crate) fn operations(state: Arc<Operations>) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(exposition))
        .fallback(async || {
            (StatusCode::NOT_FOUND, "no such path: there are GET /healthz, GET /readyz and GET /metrics\n")
        })
        .with_state(state)
}

async fn readyz(State(state): State<Arc<Operations>>) -> Response {
    if *state.phase.borrow() != Phase::Serving {
        return (StatusCode::SERVICE_UNAVAILABLE, "shutting down\n").into_response();
    }
    let reached = state.reached.borrow().check();
    let current = Certificates::current(&state.certificates).await;
    let valid = current.check(OffsetDateTime::now_utc().unix_timestamp());
    let recorded = state.audit.as_ref().map_or(Ok(()), AuditLog::check);
    match reached.and(valid).and(recorded).and_then(|()| state.gate.ready()) {
        Ok(()) => "ok\n".into_response(),
        Err(missing) => (StatusCode::SERVICE_UNAVAILABLE, format!("{missing}\n")).into_response(),
    }
}

async fn exposition(State(state): State<Arc<Operations>>) -> Response {
    // Read here too: without connections nobody else would notice that a certificate was renewed.
    let current = Certificates::current(&state.certificates).await;
    state.metrics.serves(&current, OffsetDateTime::now_utc().unix_timestamp());
    state.metrics.begin_violations(state.gate.violations());
    match metrics::exposition(&state.registry, &state.metrics) {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}
