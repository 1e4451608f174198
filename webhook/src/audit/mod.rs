//! The audit log: a line of JSON for each admission call, with what was decided and by which policies.
//!
//! It is written beside the calls, by a thread of its own, over a queue of bounded length. What happens when the
//! queue is full is the operator's choice ([`WhenFull`]); nothing is lost without being counted and told. No line
//! holds a value of an object: names, field paths and messages only, and of those what looks like a secret is taken
//! out.

mod out;
mod record;
mod writer;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, timeout, timeout_at};

pub(crate) use record::{Outcome, Record, Told, is_uuid};
use writer::Writer;

/// The bytes of lines that may wait to be written. A line has some 600 bytes, and at most some 600 KiB.
const QUEUE_BYTES: usize = 16 << 20;
/// With so many bytes waiting, the log tells that they do.
const MANY_BYTES: usize = QUEUE_BYTES / 4;
/// When the program ends, how long the lines that wait may take before that is told of, and at most: who reads them may
/// be slow, or have stopped.
const PATIENCE: Duration = Duration::from_secs(1);
const END: Duration = Duration::from_secs(5);

/// Where the audit log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Standard output.
    Stdout,
    /// A file, appended to; made with mode 0600 where it is not there. See [`AuditLog::reopen`].
    File(PathBuf),
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("standard output"),
            Self::File(path) => path.display().fmt(f),
        }
    }
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
    destination: Arc<Destination>,
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
    Line(Vec<u8>, Waiting),
    Reopen,
    Close,
}

#[derive(Clone, Debug, Default)]
struct Counts {
    written: Counter,
    dropped: Counter,
    failures: Counter,
    /// What waits to be written.
    lines: Gauge,
    bytes: Gauge,
    behind: Arc<AtomicBool>,
    /// Whether the last call that waited found no room in time, and nothing was written since.
    stuck: Arc<AtomicBool>,
}

impl Counts {
    /// What the writer had is written.
    fn wrote(&self) {
        self.stuck.store(false, Ordering::Relaxed);
        let few = usize::try_from(self.bytes.get()).is_ok_and(|bytes| bytes < MANY_BYTES / 2);
        if few && self.behind.swap(false, Ordering::Relaxed) {
            tracing::info!("the audit log has caught up");
        }
    }
}

/// A line's room in the queue.
struct Waiting {
    room: OwnedSemaphorePermit,
    counts: Counts,
}

impl Waiting {
    fn new(room: OwnedSemaphorePermit, counts: &Counts) -> Self {
        counts.lines.inc();
        counts.bytes.inc_by(bytes(&room));
        Self { room, counts: counts.clone() }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.counts.lines.dec();
        self.counts.bytes.dec_by(bytes(&self.room));
    }
}

fn bytes(room: &OwnedSemaphorePermit) -> i64 {
    i64::try_from(room.num_permits()).unwrap_or(i64::MAX)
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
        let destination = Arc::new(destination.clone());
        Ok(Self { destination, queue, room, when_full, counts, ending, thread })
    }

    /// Adds the log's metrics to a registry.
    pub fn register(&self, registry: &mut Registry) {
        let Counts { written, dropped, failures, lines, bytes, .. } = self.counts.clone();
        let audit = registry.sub_registry_with_prefix("audit");
        audit.register("records", "Lines written to the audit log", written);
        audit.register(
            "records_dropped",
            "Lines that are not in the audit log, those of calls that were answered 503 for it included",
            dropped,
        );
        audit.register(
            "write_failures",
            "Times that the audit log could not be written or reopened; what is waiting is tried again",
            failures,
        );
        audit.register("waiting_records", "Lines that wait to be written to the audit log", lines);
        audit.register_with_unit("waiting", "What waits to be written to the audit log", Unit::Bytes, bytes);
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
                let room = timeout_at(deadline, Arc::clone(&self.room).acquire_many_owned(bytes)).await;
                let Ok(Ok(room)) = room else {
                    self.counts.stuck.store(true, Ordering::Relaxed);
                    self.counts.dropped.inc();
                    return Err(Full);
                };
                Some(room)
            }
        };
        if self.room.available_permits() < QUEUE_BYTES - MANY_BYTES
            && !self.counts.behind.swap(true, Ordering::Relaxed)
        {
            let (lines, bytes) = (self.counts.lines.get(), self.counts.bytes.get());
            tracing::warn!(path = %self.destination, lines, bytes, "the audit log is behind: lines wait to be written");
        }
        let waiting = room.map(|room| Waiting::new(room, &self.counts));
        if waiting.is_none_or(|waiting| self.queue.send(Message::Line(line, waiting)).is_err()) {
            // The first of each thousand: a disk that is full does not fill another with this.
            if self.counts.dropped.inc().is_multiple_of(1000) {
                let dropped = self.counts.dropped.get();
                tracing::warn!(dropped, "the audit log can't be written fast enough: lines are dropped");
            }
        }
        Ok(())
    }

    /// Whether decisions can be put on record.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.counts.stuck.load(Ordering::Relaxed) {
            let (to, lines) = (&self.destination, self.counts.lines.get());
            return Err(format!("the audit log is not written: {lines} lines wait for {to}"));
        }
        Ok(())
    }

    /// Opens the file anew, after what was decided so far is written: its name now stands for another file, as
    /// logrotate leaves it.
    pub fn reopen(&self) {
        // Where the writer has ended there is nothing to reopen.
        let _ = self.queue.send(Message::Reopen);
    }

    /// Writes what is waiting, for at most [`END`], and ends. What is put on record later is dropped, and counted.
    pub async fn close(&self) {
        self.ending.store(true, Ordering::Relaxed);
        let _ = self.queue.send(Message::Close);
        let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        let mut joined = tokio::task::spawn_blocking(move || thread.join().is_ok());
        let path = &self.destination;
        let joined = match timeout(PATIENCE, &mut joined).await {
            Ok(joined) => joined,
            Err(_) => {
                let lines = self.counts.lines.get();
                tracing::warn!(%path, lines, within = ?(END - PATIENCE), "waiting for the audit log");
                let Ok(joined) = timeout(END - PATIENCE, joined).await else {
                    // What a pipe has taken of them already, nobody can tell.
                    let lines = self.counts.lines.get();
                    self.counts.dropped.inc_by(u64::try_from(lines).unwrap_or_default());
                    tracing::error!(%path, lines, "the audit log ends: lines are lost");
                    return;
                };
                joined
            }
        };
        if !joined.unwrap_or(false) {
            tracing::error!("the audit log's thread failed: its last lines may be missing");
        }
    }
}
