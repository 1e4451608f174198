//! Writes the audit log.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::{Counts, Destination, Message, WhenFull};

/// How long to wait before what could not be written is tried again.
const AGAIN: Duration = Duration::from_secs(1);
/// Lines are written together where several are waiting, up to so many bytes.
const BATCH_BYTES: usize = 256 * 1024;

pub(super) struct Writer {
    destination: Destination,
    out: Box<dyn Write + Send>,
    when_full: WhenFull,
    counts: Counts,
    ending: Arc<AtomicBool>,
    /// Whole lines that are not written yet, and how many bytes of them are.
    pending: Vec<u8>,
    written: usize,
    /// The room in the queue that these lines still take.
    held: Vec<OwnedSemaphorePermit>,
}

impl Writer {
    pub(super) fn open(
        destination: Destination,
        when_full: WhenFull,
        counts: Counts,
        ending: Arc<AtomicBool>,
    ) -> io::Result<Self> {
        let out = open(&destination)?;
        let (pending, held) = (Vec::new(), Vec::new());
        Ok(Self { destination, out, when_full, counts, ending, pending, written: 0, held })
    }

    /// Writes until it is told to close, or nobody is left to tell it anything.
    pub(super) fn run(mut self, mut lines: mpsc::UnboundedReceiver<Message>) {
        while let Some(first) = lines.blocking_recv() {
            let mut next = Some(first);
            let mut last = false;
            let mut reopen = false;
            while let Some(message) = next.take() {
                match message {
                    Message::Line(line, room) => {
                        self.pending.extend_from_slice(&line);
                        self.held.push(room);
                    }
                    Message::Reopen => reopen = true,
                    Message::Close => last = true,
                }
                if self.pending.len() < BATCH_BYTES && !reopen && !last {
                    next = lines.try_recv().ok();
                }
            }
            if last {
                lines.close();
            }
            self.write_out();
            if reopen {
                self.reopen();
            }
        }
    }

    /// Writes what is pending. Where that fails it is tried again, with the file opened anew, for as long as it
    /// takes, unless lines may be dropped or the program ends.
    fn write_out(&mut self) {
        while let Err(error) = self.try_write() {
            self.counts.failures.inc();
            tracing::error!(%error, "cannot write the audit log");
            if self.ending.load(Ordering::Relaxed) || self.when_full == WhenFull::Drop {
                self.give_up();
                return;
            }
            std::thread::sleep(AGAIN);
            self.reopen();
        }
    }

    fn try_write(&mut self) -> io::Result<()> {
        while let Some(rest) = self.pending.get(self.written..).filter(|rest| !rest.is_empty()) {
            match self.out.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(bytes) => self.written += bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.out.flush()?;
        self.counts.written.inc_by(count(&self.pending));
        self.pending.clear();
        self.written = 0;
        self.held.clear();
        Ok(())
    }

    /// Drops what is pending. A line of which a part is written gets its end, so that the next begins on its own.
    fn give_up(&mut self) {
        let done = self.pending.get(..self.written).unwrap_or_default();
        let torn = done.last().is_some_and(|byte| *byte != b'\n');
        let whole = count(done);
        self.counts.written.inc_by(whole);
        self.counts.dropped.inc_by(count(&self.pending) - whole);
        tracing::error!(lines = count(&self.pending) - whole, "the audit log lost lines");
        self.pending.clear();
        self.written = 0;
        self.held.clear();
        if torn {
            self.pending.push(b'\n');
        }
    }

    /// Goes on with whatever the path stands for now; with what is open already where that fails.
    fn reopen(&mut self) {
        match open(&self.destination) {
            Ok(out) => {
                self.out = out;
                // In another file, a line of which a part is written begins again.
                let done = self.pending.get(..self.written).unwrap_or_default();
                self.written = done.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            }
            Err(error) => {
                self.counts.failures.inc();
                tracing::error!(%error, "cannot reopen the audit log: the file that is open stays in use");
            }
        }
    }
}

fn count(lines: &[u8]) -> u64 {
    lines.iter().map(|byte| u64::from(*byte == b'\n')).sum()
}

fn open(destination: &Destination) -> io::Result<Box<dyn Write + Send>> {
    match destination {
        Destination::Stdout => Ok(Box::new(io::stdout())),
        Destination::File(path) => Ok(Box::new(append(path)?)),
    }
}

/// Readable by nobody else: the log says who does what.
fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::sync::Semaphore;

    use super::*;

    /// Takes so many bytes, and then fails until it is given more room.
    #[derive(Clone)]
    struct Disk(Arc<Mutex<(Vec<u8>, usize)>>);

    impl Disk {
        fn with_room(bytes: usize) -> Self {
            Self(Arc::new(Mutex::new((Vec::new(), bytes))))
        }

        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().0.clone()).unwrap()
        }
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let (held, room) = &mut *self.0.lock().unwrap();
            let taken = bytes.len().min(*room - held.len());
            if taken == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            held.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn writer(disk: &Disk, when_full: WhenFull) -> Writer {
        Writer {
            destination: Destination::Stdout,
            out: Box::new(disk.clone()),
            when_full,
            counts: Counts::default(),
            ending: Arc::default(),
            pending: Vec::new(),
            written: 0,
            held: Vec::new(),
        }
    }

    #[test]
    fn a_full_disk_costs_whole_lines_that_are_counted_and_tears_none() {
        let disk = Disk::with_room(10);
        let mut writer = writer(&disk, WhenFull::Drop);
        writer.pending = b"first\nsecond\nthird\n".to_vec();
        writer.write_out();
        assert_eq!(disk.text(), "first\nseco");
        assert_eq!((writer.counts.written.get(), writer.counts.dropped.get()), (1, 2));
        disk.0.lock().unwrap().1 = 1000;
        writer.pending.extend_from_slice(b"fourth\n");
        writer.write_out();
        assert_eq!(disk.text(), "first\nseco\nfourth\n");
    }

    #[test]
    fn what_is_waiting_when_the_program_ends_is_written() {
        let disk = Disk::with_room(1000);
        let (queue, lines) = mpsc::unbounded_channel();
        let room = Arc::new(Semaphore::new(6));
        for line in ["a\n", "b\n", "c\n"] {
            let held = Arc::clone(&room).try_acquire_many_owned(2).unwrap();
            assert!(queue.send(Message::Line(line.into(), held)).is_ok());
        }
        assert!(queue.send(Message::Close).is_ok());
        let writer = writer(&disk, WhenFull::Block);
        let counts = writer.counts.clone();
        writer.run(lines);
        assert_eq!(disk.text(), "a\nb\nc\n");
        assert_eq!(counts.written.get(), 3);
        assert!(queue.send(Message::Reopen).is_err(), "nobody listens any more");
        assert_eq!(room.available_permits(), 6, "what is written takes no room");
    }
}
