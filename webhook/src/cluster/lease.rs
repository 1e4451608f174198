//! Which replica does what must be done once: whoever holds a Lease (coordination.k8s.io/v1), as Kubernetes' own
//! controllers elect theirs.
//!
//! No two clocks are compared: a replica takes the Lease of another that has not renewed it for as long as the Lease
//! lasts, by the replica's own clock, since it last saw it change.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

/// How long a Lease lasts that nobody renews.
const LASTS: Duration = Duration::from_secs(15);
/// How often it is renewed.
const RENEW: Duration = Duration::from_secs(2);
/// Without having been able to renew it for so long, its holder stops: that is seen at most two attempts later, before
/// another begins.
const GIVE_UP: Duration = Duration::from_secs(10);

/// Whether this replica holds the Lease.
pub(crate) type Held = watch::Receiver<bool>;

/// Takes part in the election.
#[derive(Clone, Debug)]
pub(crate) struct Elector {
    api: Api<Lease>,
    name: String,
    identity: String,
}

/// What was last seen of the Lease, and since when it has been so.
struct Seen {
    version: Option<String>,
    since: Instant,
}

impl Elector {
    pub(crate) fn new(client: Client, namespace: &str, name: &str, identity: String) -> Self {
        Self { api: Api::namespaced(client, namespace), name: name.to_owned(), identity }
    }

    /// Holds the Lease whenever it can, until the future is dropped, and tells whether it does.
    pub(crate) async fn run(self, held: watch::Sender<bool>) {
        let mut seen = Seen { version: None, since: Instant::now() };
        let mut renewed: Option<Instant> = None;
        let mut failing = false;
        loop {
            // What is written counts from before it was sent.
            let begun = Instant::now();
            match timeout(RENEW, self.try_hold(&mut seen)).await {
                Ok(Ok(outcome)) => {
                    failing = false;
                    match outcome {
                        Outcome::Held => renewed = Some(begun),
                        Outcome::Others => renewed = None,
                        // Whether it is held shows the next time.
                        Outcome::Contended => {}
                    }
                }
                Ok(Err(error)) if !std::mem::replace(&mut failing, true) => {
                    tracing::error!(lease = self.name, %error, "the Lease can't be held");
                }
                Err(_) if !std::mem::replace(&mut failing, true) => {
                    tracing::error!(lease = self.name, "the API server does not answer about the Lease");
                }
                Ok(Err(_)) | Err(_) => {}
            }
            let holds = renewed.is_some_and(|renewed| renewed.elapsed() < GIVE_UP);
            let is_new = held.send_if_modified(|held| std::mem::replace(held, holds) != holds);
            if is_new && holds {
                tracing::info!(lease = self.name, identity = self.identity, "leading");
            } else if is_new {
                tracing::warn!(lease = self.name, identity = self.identity, "no longer leading");
            }
            sleep(RENEW).await;
        }
    }

    /// Gives the Lease up, if this replica holds it, so that another need not wait for its end.
    pub(crate) async fn release(&self) {
        let Ok(Some(mut lease)) = self.api.get_opt(&self.name).await else { return };
        let Some(spec) =
            lease.spec.as_mut().filter(|spec| spec.holder_identity.as_ref() == Some(&self.identity))
        else {
            return;
        };
        spec.holder_identity = None;
        spec.lease_duration_seconds = Some(1);
        // If somebody else has it by now, that is what was wanted.
        let _ = self.api.replace(&self.name, &PostParams::default(), &lease).await;
    }

    /// Takes or renews the Lease, if it is this replica's to take; whether it is held then.
    async fn try_hold(&self, seen: &mut Seen) -> kube::Result<Outcome> {
        let now = MicroTime(Timestamp::now());
        let Some(mut lease) = self.api.get_opt(&self.name).await? else {
            let lease = Lease {
                metadata: ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() },
                spec: Some(self.held_since(&now, 0)),
            };
            return won(self.api.create(&PostParams::default(), &lease).await);
        };
        if seen.version != lease.metadata.resource_version {
            *seen = Seen { version: lease.metadata.resource_version.clone(), since: Instant::now() };
        }
        let spec = lease.spec.get_or_insert_default();
        let holder = spec.holder_identity.as_deref().unwrap_or_default();
        if holder == self.identity {
            spec.renew_time = Some(now);
        } else {
            let lasts = spec.lease_duration_seconds.and_then(|lasts| u64::try_from(lasts).ok());
            let lasts = lasts.map_or(LASTS, Duration::from_secs);
            if !holder.is_empty() && seen.since.elapsed() < lasts {
                return Ok(Outcome::Others);
            }
            *spec = self.held_since(&now, spec.lease_transitions.unwrap_or_default().saturating_add(1));
        }
        won(self.api.replace(&self.name, &PostParams::default(), &lease).await)
    }

    fn held_since(&self, now: &MicroTime, transitions: i32) -> LeaseSpec {
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(LASTS.as_secs()).ok(),
            acquire_time: Some(now.clone()),
            renew_time: Some(now.clone()),
            lease_transitions: Some(transitions),
            ..LeaseSpec::default()
        }
    }
}

/// What came of an attempt to hold the Lease.
enum Outcome {
    Held,
    /// Another holds it.
    Others,
    /// Somebody wrote it meanwhile.
    Contended,
}

fn won(written: kube::Result<Lease>) -> kube::Result<Outcome> {
    match written {
        Ok(_) => Ok(Outcome::Held),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(Outcome::Contended),
        Err(error) => Err(error),
    }
}
