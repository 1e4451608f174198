//! A mutating webhook that is somebody else's: another injector beside ours, or one that only looks.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use anyhow::{Context as _, Result};
use sallyport::server::{Config, Gate, Identity, Judgement, Share};
use sallyport_admission::{Decision, Request};
use serde_json::Value;
use tokio::sync::oneshot;

use crate::registration::Server;

/// A webhook in this process, on a thread of its own, whose decisions a test writes. Ended when dropped.
pub struct ForeignWebhook {
    address: SocketAddr,
    ca_pem: String,
    calls: Arc<AtomicUsize>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl ForeignWebhook {
    /// Starts one that makes this of each object: `None` leaves it as it is.
    ///
    /// # Errors
    /// When no port can be bound.
    pub fn start(mutate: impl Fn(&Request) -> Option<Value> + Send + Sync + 'static) -> Result<Self> {
        let calls = Arc::new(AtomicUsize::new(0));
        let gate = Arc::new(Closure { mutate, calls: Arc::clone(&calls) });
        let (stop, stopped) = oneshot::channel();
        let (started, start) = std::sync::mpsc::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime can be made").block_on(async {
                let any = SocketAddr::from(([127, 0, 0, 1], 0));
                let identity = Identity::SelfIssued { names: Vec::new(), ca: None };
                let config = Config { admission: any, operations: any, ..Config::new(identity) };
                let server = match sallyport::server::Server::bind(config, gate).await {
                    Ok(server) => server,
                    // The receiver tells.
                    Err(error) => return drop(started.send(Err(error))),
                };
                let ca_pem = server.ca_pem().unwrap_or_default().to_owned();
                let _ = started.send(Ok((server.admission_addr(), ca_pem)));
                // Cut at once: nobody calls when a test is over.
                tokio::select! {
                    _ = server.run(std::future::pending()) => {}
                    _ = stopped => {}
                }
            });
        });
        let (address, ca_pem) = start.recv().context("the webhook's thread is gone")??;
        Ok(Self { address, ca_pem, calls, stop: Some(stop), thread: Some(thread) })
    }

    /// How often it was called.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

impl Drop for ForeignWebhook {
    fn drop(&mut self) {
        // Its receiver is gone only if the thread is.
        self.stop.take().map(|stop| stop.send(()));
        self.thread.take().map(JoinHandle::join);
    }
}

impl Server for ForeignWebhook {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    async fn was_called(&self, _path: &str) -> Result<bool> {
        Ok(self.calls() > 0)
    }
}

struct Closure<F> {
    mutate: F,
    calls: Arc<AtomicUsize>,
}

impl<F: Fn(&Request) -> Option<Value> + Send + Sync + 'static> Gate for Closure<F> {
    fn mutate(&self, request: &Request, _: Share, _: Instant) -> Judgement {
        let mutated = (self.mutate)(request);
        self.calls.fetch_add(1, Ordering::SeqCst);
        let patch = mutated.as_ref().map(|mutated| json_patch::diff(&request.object, mutated));
        Decision { allowed: true, patch: patch.unwrap_or_default(), mutated, ..Decision::default() }.into()
    }

    fn validate(&self, _: &Request, _: Share, _: Instant) -> Judgement {
        Decision { allowed: true, ..Decision::default() }.into()
    }

    fn check_resource(&self, _request: &Request) -> Judgement {
        Decision { allowed: true, ..Decision::default() }.into()
    }

    fn ready(&self) -> Result<(), String> {
        Ok(())
    }
}
