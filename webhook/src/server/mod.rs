//! The admission server: what the API server talks to, and nothing of what is decided.
//!
//! Two ports. One speaks HTTP/1.1 and HTTP/2 over TLS and answers AdmissionReviews (`POST /mutate` and `/validate`, for
//! all policies or, with `/fail` and `/ignore` behind, for those of one `failurePolicy`; `POST /validate-policies`); the
//! other speaks plain HTTP to the kubelet and to Prometheus (`GET /healthz`,
//! `/readyz`, `/metrics`). Where there is a filter to serve, a third serves it to proxies, in plain HTTP too. What to answer is asked of a [`Gate`], so the server runs, and is tested, without policies.
//!
//! A call passes, in this order: connection limit → TLS → routes → headers → limit of calls → body, within its limit, the
//! memory of all bodies and the deadline → its weight → [`review`] → [`Gate`] → [`response`] → audit log. A body that is
//! no AdmissionReview is answered 4xx with one sentence. Shed load, a missed deadline and a panic are answered 503:
//! whether that refuses or admits is the webhook configuration's `failurePolicy` to say, not ours.
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use sallyport::server::{Config, Gate, Identity, Server, ServerError, terminated};
//! # async fn start(gate: Arc<dyn Gate>) -> Result<(), ServerError> {
//! let identity = Identity::SelfIssued { names: Vec::new(), ca: Some("ca.pem".into()) };
//! let mut server = Server::bind(Config::new(identity), gate).await?;
//! server.registry_mut().register("policies", "Policies in force", prometheus_client::metrics::gauge::Gauge::<i64>::default());
//! let drained = server.run(terminated()).await;
//! # Ok(()) }
//! ```

mod annotations;
mod body;
mod bounded;
mod call;
mod connection;
mod deadline;
mod descriptors;
mod expiry;
mod failure;
mod metrics;
mod modules;
mod process;
pub mod response;
pub mod review;
mod routes;
mod seats;
mod self_check;
mod self_issued;
mod serve;
mod signal;
mod stall;
mod throttle;
mod tls;
mod told;
mod unsent;
mod verdict;
mod weight;

use std::sync::Arc;
use std::time::Instant;

use sallyport_admission::{Decision, Mode, Request};

pub use descriptors::fit_to_descriptors;
pub use modules::{ModuleFailure, Modules, module_path};
pub use routes::{Endpoint, Share};
pub use serve::{Config, Drained, Limits, Server, ServerError};
pub use signal::{hangups, terminated};
pub use tls::{CertificateError, Identity, PemPair, Unservable};

/// A decision, and by which policies it was made.
#[derive(Clone, Debug, Default)]
pub struct Judgement {
    /// What was decided.
    pub decision: Decision,
    /// What the audit log names the policies by that were in force; `None` where it was not up to policies.
    pub policies: Option<Arc<str>>,
}

impl From<Decision> for Judgement {
    fn from(decision: Decision) -> Self {
        Self { decision, policies: None }
    }
}

/// What the server asks of the gate. Implemented by the program over its policy store.
///
/// The methods are called on the server's own threads and are expected to compute, not to wait: a review of up to
/// 64 KiB is decided where it was read, a larger one on a thread of its own. A panic in any of them is answered 503.
pub trait Gate: Send + Sync + 'static {
    /// Finds out what a decision about this request needs and nobody has told of yet; the only method that may wait, until
    /// `deadline`.
    ///
    /// # Errors
    /// What is missing, in a sentence: the call is answered 503.
    fn prepare(&self, _request: &Request, _deadline: Instant) -> Result<(), String> {
        Ok(())
    }

    /// What a workload is given: `POST /mutate`. Nobody waits for it after `deadline`.
    fn mutate(&self, request: &Request, share: Share, deadline: Instant) -> Judgement;

    /// What a workload is refused for: `POST /validate`. A patch is not returned. Nobody waits for it after `deadline`.
    fn validate(&self, request: &Request, share: Share, deadline: Instant) -> Judgement;

    /// Decides about one of Sallyport's own resources: `POST /validate-policies`. A patch is not returned.
    fn check_resource(&self, request: &Request) -> Judgement;

    /// Whether decisions may depend on `metadata.managedFields` of objects. Where none does, objects are shown without,
    /// to all but [`Gate::check_resource`]. Once a decision that does was made, this must be true.
    fn reads_managed_fields(&self) -> bool {
        true
    }

    /// The policies in force, and the modes in which they may find violations.
    fn violations(&self) -> Vec<(Arc<str>, Mode)> {
        Vec::new()
    }

    /// Whether decisions can be made yet.
    ///
    /// # Errors
    /// What is still missing, as one plain sentence: it is the body of `/readyz`.
    fn ready(&self) -> Result<(), String>;
}
