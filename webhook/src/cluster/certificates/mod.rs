//! The certificate that all replicas serve, and the authorities that the API server trusts for it.
//!
//! They are kept in one Secret, which every replica follows. What is to be done about them, and when, is a pure function
//! ([`plan`]); [`issue`] makes keys and certificates; [`kept`] is what the Secret holds.

mod issue;
mod kept;
mod plan;

use std::pin::pin;
use std::time::Duration;

use anyhow::{Context as _, bail};
use futures_util::{Stream, StreamExt as _};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ObjectMeta, PartialObjectMeta, PostParams};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt as _, watcher as watch_objects};
use kube::{Api, Client, ResourceExt as _};
use tokio::sync::watch;
use tokio::time::sleep;

use kept::Kept;
pub(crate) use plan::Lifetimes;
use plan::{Asked, Step};

use super::changes::{changes, version};
use crate::gate::unix_seconds;
use crate::server::PemPair;

/// What somebody writes on the Secret to have a certificate renewed before its time: `certificate` or `authority`.
const RENEW: &str = "sallyport.dev/renew";
/// How often a write is tried against those of other replicas.
const ATTEMPTS: usize = 10;
/// As many steps follow each other at once: a new authority, its certificate, the old one forgotten.
const STEPS: usize = 8;
/// How often what is missing or of no use is made again.
const AGAIN: Duration = Duration::from_secs(2);

/// Where the certificates of a cluster are kept.
#[derive(Clone, Debug)]
pub(crate) struct Secrets {
    api: Api<Secret>,
    metadata: Api<PartialObjectMeta<Secret>>,
    name: String,
    /// The names under which the API server calls.
    names: Vec<String>,
    lifetimes: Lifetimes,
}

/// How the certificates stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// The authorities of all certificates that a replica serves or soon will, in PEM.
    pub(super) bundle: String,
    /// When something is to be done again, in Unix seconds.
    pub(super) due: i64,
}

impl Secrets {
    pub(crate) fn new(
        client: Client,
        namespace: &str,
        name: &str,
        names: Vec<String>,
        lifetimes: Lifetimes,
    ) -> Self {
        let api = Api::namespaced(client.clone(), namespace);
        let metadata = Api::namespaced(client, namespace);
        Self { api, metadata, name: name.to_owned(), names, lifetimes }
    }

    /// Something happens to what is kept.
    pub(super) fn changes(&self) -> impl Stream<Item = ()> {
        changes(self.metadata.clone(), &self.name, version)
    }

    /// Follows what is to be served, until the future is dropped; makes it, where there is nothing yet.
    pub(crate) async fn follow(self, served: watch::Sender<PemPair>) {
        let only = watcher::Config::default().fields(&format!("metadata.name={}", self.name));
        let mut events = pin!(watch_objects(self.api.clone(), only).default_backoff());
        let mut failing = false;
        // Whether what is there is of use; it is looked at again and again until it is.
        let mut is_good = true;
        let mut is_there = false;
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                () = sleep(AGAIN), if !is_good => None,
            };
            match event {
                Some(Ok(Event::Init)) => {
                    is_there = false;
                    continue;
                }
                Some(Ok(Event::InitApply(secret) | Event::Apply(secret))) => {
                    is_there = true;
                    is_good = self.serve(&secret, &served);
                }
                Some(Ok(Event::InitDone)) => is_good &= is_there,
                Some(Ok(Event::Delete(_))) => is_good = false,
                Some(Err(error)) => {
                    if !std::mem::replace(&mut failing, true) {
                        tracing::error!(secret = self.name, %error, "the certificate can't be followed");
                    }
                    continue;
                }
                None => {}
            }
            failing = false;
            if !is_good && let Err(error) = self.tend(None).await {
                tracing::error!(secret = self.name, "no certificate can be made: {error:#}");
            }
        }
    }

    /// Serves what a Secret holds; whether that is of use.
    fn serve(&self, secret: &Secret, served: &watch::Sender<PemPair>) -> bool {
        match Kept::read(secret) {
            Ok(kept) => {
                served.send_if_modified(|current| {
                    let is_new = *current != kept.served;
                    *current = kept.served;
                    is_new
                });
                true
            }
            Err(error) => {
                tracing::error!(secret = self.name, "the certificate can't be used: {error:#}");
                false
            }
        }
    }

    /// Does what is to be done now. `published` is what stands in the webhook configurations as authorities to trust.
    ///
    /// # Errors
    /// The API server refuses, or others write all the time.
    pub(super) async fn tend(&self, published: Option<&str>) -> anyhow::Result<Standing> {
        for _ in 0..ATTEMPTS {
            let found = self.api.get_opt(&self.name).await.context("the Secret can't be read")?;
            let now = unix_seconds();
            let (kept, due) = self.advance(found.as_ref(), published, now)?;
            let bundle = kept.bundle();
            let mut secret = Secret {
                metadata: ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() },
                type_: Some("sallyport.dev/certificates".to_owned()),
                data: Some(kept.data()),
                ..Secret::default()
            };
            let written = match found {
                Some(found) if found.data == secret.data => return Ok(Standing { bundle, due }),
                Some(mut found) => {
                    found.metadata.annotations.get_or_insert_default().remove(RENEW);
                    (secret.metadata, secret.type_) = (found.metadata, found.type_);
                    self.api.replace(&self.name, &PostParams::default(), &secret).await
                }
                None => self.api.create(&PostParams::default(), &secret).await,
            };
            match written {
                Ok(_) => {
                    tracing::info!(secret = self.name, "the certificates were brought up to date");
                    return Ok(Standing { bundle, due });
                }
                // Another replica was first.
                Err(kube::Error::Api(status)) if status.code == 409 => {}
                Err(error) => return Err(error).context("the Secret can't be written"),
            }
        }
        bail!("others write the Secret {} all the time", self.name)
    }

    /// What is to be kept from now on, and until when there is nothing to do.
    fn advance(
        &self,
        found: Option<&Secret>,
        published: Option<&str>,
        now: i64,
    ) -> anyhow::Result<(Kept, i64)> {
        let asked = found.and_then(|secret| match secret.annotations().get(RENEW)?.as_str() {
            "certificate" => Some(Asked::Certificate),
            "authority" => Some(Asked::Authority),
            _ => None,
        });
        let mut kept = match found.map(Kept::read) {
            Some(Ok(kept)) => Some(kept),
            Some(Err(error)) => {
                tracing::error!(secret = self.name, "what is kept is of no use and is made anew: {error:#}");
                None
            }
            None => None,
        };
        let mut asked = asked;
        for _ in 0..STEPS {
            if let Some(kept) = &mut kept {
                kept.note_publication(published, now);
            }
            let held = kept.as_ref().map(|kept| kept.held(&self.names, asked)).transpose()?;
            let step = plan::step(held.as_ref(), self.lifetimes, now);
            if let Step::Wait(due) = step
                && let Some(kept) = kept
            {
                return Ok((kept, due));
            }
            kept = Some(Kept::after(step, kept, &self.names, self.lifetimes, now)?);
            asked = None;
        }
        bail!("the plan for the certificates does not come to rest")
    }
}
