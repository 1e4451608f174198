//! The audit log: a line of JSON for each admission call, with what was decided and by which policies.
//!
//! It is written beside the calls, by a thread of its own, over a queue of bounded length. What happens when the
//! queue is full is the operator's choice ([`WhenFull`]); nothing is lost without being counted and told. No line
//! holds a value of an object: names, field paths and messages only, and of those what looks like a secret is taken
//! out.

mod record;
mod writer;

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, timeout_at};

pub(crate) use record::{Outcome, Record, Told, is_uuid};
use writer::Writer;

/// The bytes of lines that may wait to be written. A line has some 600 bytes, and at most some 600 KiB.
const QUEUE_BYTES: usize = 16 << 20;

/// Where the audit log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Standard output.
    Stdout,
    /// A file, appended to; made with mode 0600 where it is not there. See [`AuditLog::reopen`].
    File(PathBuf),
}

/// What a call does when lines come in faster than they can be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// It waits for its turn, as long as its deadline allows, and is then answered 503: no decision is given that is
    /// not on record.
    #[default]
    Block,
    /// Its line is dropped and counted, and the log says so.
    Drop,
}

/// The audit log, as calls see it.
#[derive(Clone, Debug)]
pub struct AuditLog {
    queue: mpsc::UnboundedSender<Message>,
    /// What bounds the queue.
    room: Arc<Semaphore>,
    when_full: WhenFull,
    counts: Counts,
    /// Whether the program ends: what can't be written now never will be.
    ending: Arc<AtomicBool>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

/// What the writer is told.
enum Message {
    /// Held with its room, which is free again once it is written.
    Line(Vec<u8>, OwnedSemaphorePermit),
    Reopen,
    Close,
}

#[derive(Clone, Debug, Default)]
struct Counts {
    written: Counter,
    dropped: Counter,
    failures: Counter,
}

/// A line found no room in time.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl AuditLog {
    /// Opens the log, and starts the thread that writes it.
    ///
    /// # Errors
    /// When the file cannot be opened for appending, or no thread can be started.
    pub fn open(destination: &Destination, when_full: WhenFull) -> io::Result<Self> {
        let counts = Counts::default();
        let (queue, lines) = mpsc::unbounded_channel();
        let ending = Arc::new(AtomicBool::new(false));
        let writer = Writer::open(destination.clone(), when_full, counts.clone(), Arc::clone(&ending))?;
        let thread = std::thread::Builder::new().name("audit".to_owned()).spawn(move || writer.run(lines))?;
        let room = Arc::new(Semaphore::new(QUEUE_BYTES));
        let thread = Arc::new(Mutex::new(Some(thread)));
        Ok(Self { queue, room, when_full, counts, ending, thread })
    }

    /// Adds the log's metrics to a registry.
    pub fn register(&self, registry: &mut Registry) {
        let audit = registry.sub_registry_with_prefix("audit");
        audit.register("records", "Lines written to the audit log", self.counts.written.clone());
        audit.register("records_dropped", "Lines that the audit log lost", self.counts.dropped.clone());
        audit.register(
            "write_failures",
            "Times that the audit log could not be written; what is waiting is tried again",
            self.counts.failures.clone(),
        );
    }

    /// Puts a line on record, without its line break.
    pub(crate) async fn put(&self, mut line: Vec<u8>, deadline: Instant) -> Result<(), Full> {
        line.push(b'\n');
        // What has more than all the room there is has none, and is dropped or answered 503 as well.
        let bytes = u32::try_from(line.len()).unwrap_or(u32::MAX);
        let room = match Arc::clone(&self.room).try_acquire_many_owned(bytes) {
            Ok(room) => Some(room),
            Err(_) if self.when_full == WhenFull::Drop => None,
            Err(_) => {
                let room = Arc::clone(&self.room).acquire_many_owned(bytes);
                Some(timeout_at(deadline, room).await.map_err(|_| Full)?.map_err(|_| Full)?)
            }
        };
        if room.is_none_or(|room| self.queue.send(Message::Line(line, room)).is_err()) {
            // The first of each thousand: a disk that is full does not fill another with this.
            if self.counts.dropped.inc().is_multiple_of(1000) {
                let dropped = self.counts.dropped.get();
                tracing::warn!(dropped, "the audit log can't be written fast enough: lines are dropped");
            }
        }
        Ok(())
    }

    /// Opens the file anew, after what was decided so far is written: its name now stands for another file, as
    /// logrotate leaves it.
    pub fn reopen(&self) {
        // Where the writer has ended there is nothing to reopen.
        let _ = self.queue.send(Message::Reopen);
    }

    /// Writes what is waiting, and ends. What is put on record later is dropped, and counted.
    pub async fn close(&self) {
        self.ending.store(true, Ordering::Relaxed);
        let _ = self.queue.send(Message::Close);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let joined = tokio::task::spawn_blocking(move || thread.join().is_ok()).await;
            if !joined.unwrap_or(false) {
                tracing::error!("the audit log's thread failed: its last lines may be missing");
            }
        }
    }
}
