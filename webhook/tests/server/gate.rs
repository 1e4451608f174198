//! A gate whose decisions a test writes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use sallyport::server::{Gate, Judgement, Share};
use sallyport_admission::{Decision, Request};
use tokio::sync::Notify;

type Decide = Box<dyn Fn(&Request) -> Decision + Send + Sync>;

pub(crate) struct Fake {
    decide: Decide,
    ready: AtomicBool,
}

impl Fake {
    pub(crate) fn new(decide: impl Fn(&Request) -> Decision + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { decide: Box::new(decide), ready: AtomicBool::new(true) })
    }

    pub(crate) fn allowing() -> Arc<Self> {
        Self::new(|_| allowed())
    }

    pub(crate) fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::SeqCst);
    }
}

impl Gate for Fake {
    fn mutate(&self, request: &Request, _: Share, _: Instant) -> Judgement {
        (self.decide)(request).into()
    }

    fn validate(&self, request: &Request, _: Share, _: Instant) -> Judgement {
        (self.decide)(request).into()
    }

    fn check_resource(&self, request: &Request) -> Judgement {
        (self.decide)(request).into()
    }

    fn ready(&self) -> Result<(), String> {
        if self.ready.load(Ordering::SeqCst) { Ok(()) } else { Err("no policy has been read yet".to_owned()) }
    }
}

pub(crate) fn allowed() -> Decision {
    Decision { allowed: true, ..Decision::default() }
}

/// Holds a decision until a test lets it go.
#[derive(Default)]
pub(crate) struct Held {
    entered: Notify,
    open: Mutex<bool>,
    opened: Condvar,
}

impl Held {
    /// A gate whose every decision waits for [`Held::release`].
    pub(crate) fn gate() -> (Arc<Self>, Arc<Fake>) {
        let held = Arc::new(Self::default());
        let inside = Arc::clone(&held);
        let gate = Fake::new(move |_| {
            inside.entered.notify_one();
            let open = inside.open.lock().unwrap();
            drop(inside.opened.wait_while(open, |open| !*open).unwrap());
            allowed()
        });
        (held, gate)
    }

    /// Returns once a decision has begun.
    pub(crate) async fn entered(&self) {
        self.entered.notified().await;
    }

    pub(crate) fn release(&self) {
        *self.open.lock().unwrap() = true;
        self.opened.notify_all();
    }
}
