//! Writes the audit log.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::out::{Out, open};
use super::{Counts, Destination, Message, Waiting, WhenFull};

/// How long to wait before what could not be written is tried again, and how often that is told of.
const AGAIN: Duration = Duration::from_secs(1);
/// Lines are written together where several are waiting, up to so many bytes.
const BATCH_BYTES: usize = 256 * 1024;

pub(super) struct Writer {
    destination: Destination,
    out: Box<dyn Out>,
    when_full: WhenFull,
    counts: Counts,
    ending: Arc<AtomicBool>,
    /// Whole lines that are not written yet, and how many bytes of them are.
    pending: Vec<u8>,
    written: usize,
    /// The room in the queue that these lines still take.
    held: Vec<Waiting>,
    failing: Option<Failing>,
}

/// Since it could not be written.
struct Failing {
    told: Instant,
    /// Lines that were lost, and not told of.
    lost: u64,
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
        Ok(Self { destination, out, when_full, counts, ending, pending, written: 0, held, failing: None })
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
        self.end();
    }

    /// Writes what is pending. Where that fails it is tried again, with the file opened anew, for as long as it
    /// takes, unless lines may be dropped or the program ends.
    fn write_out(&mut self) {
        while let Err(error) = self.try_write() {
            self.take_back();
            let gives_up = self.ending.load(Ordering::Relaxed) || self.when_full == WhenFull::Drop;
            let lost = if gives_up { self.give_up() } else { 0 };
            self.failed(&error, lost);
            if gives_up {
                return;
            }
            std::thread::sleep(AGAIN);
            self.reopen();
        }
    }

    fn try_write(&mut self) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        while let Some(rest) = self.pending.get(self.written..).filter(|rest| !rest.is_empty()) {
            match self.out.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(bytes) => self.written += bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.counts.written.inc_by(count(&self.pending));
        self.pending.clear();
        self.written = 0;
        self.held.clear();
        if let Some(Failing { lost, .. }) = self.failing.take() {
            tracing::info!(path = %self.destination, lines = lost, "the audit log is written again");
        }
        self.counts.wrote();
        Ok(())
    }

    /// Takes back the part of a line that is written, where that can be done: to cut a file needs no room on its disk.
    fn take_back(&mut self) {
        let part = self.written - self.begun();
        if part > 0 && self.out.take_back(part).is_ok() {
            self.written -= part;
        }
    }

    /// Where the line begins that is written up to [`Self::written`].
    fn begun(&self) -> usize {
        let done = self.pending.get(..self.written).unwrap_or_default();
        done.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1)
    }

    /// Drops what is pending, and says how many lines. A line of which a part is written stays: its end is written
    /// before anything else, unless this is the end.
    fn give_up(&mut self) -> u64 {
        let begun = self.begun();
        let done = self.pending.get(..begun).map(count).unwrap_or_default();
        let part = self.written - begun;
        self.pending.drain(..begun);
        self.written = part;
        let rest = count(&self.pending);
        if part == 0 || self.ending.load(Ordering::Relaxed) {
            self.pending.clear();
            self.written = 0;
        } else {
            let end = self.pending.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            self.pending.truncate(end);
        }
        let lost = rest - count(&self.pending);
        self.counts.written.inc_by(done);
        self.counts.dropped.inc_by(lost);
        self.held.clear();
        lost
    }

    /// Tells of a failure, once for all within [`AGAIN`].
    fn failed(&mut self, error: &io::Error, lost: u64) {
        self.counts.failures.inc();
        let path = &self.destination;
        match &mut self.failing {
            Some(failing) if failing.told.elapsed() < AGAIN && !self.ending.load(Ordering::Relaxed) => {
                failing.lost += lost;
            }
            failing => {
                let lost = lost + failing.as_ref().map_or(0, |failing| failing.lost);
                *failing = Some(Failing { told: Instant::now(), lost: 0 });
                if lost > 0 {
                    tracing::error!(%path, %error, lines = lost, "the audit log can't be written: lines are lost");
                } else {
                    let waiting = self.counts.lines.get();
                    tracing::error!(%path, %error, waiting, "the audit log can't be written: lines wait");
                }
            }
        }
    }

    /// Counts what will never be written.
    fn end(mut self) {
        if self.pending.is_empty() && self.failing.as_ref().is_none_or(|failing| failing.lost == 0) {
            return;
        }
        self.ending.store(true, Ordering::Relaxed);
        let lost = self.give_up() + self.failing.map_or(0, |failing| failing.lost);
        tracing::error!(path = %self.destination, lines = lost, "the audit log ends: lines are lost");
    }

    /// Goes on with whatever the path stands for now; with what is open already where that fails.
    fn reopen(&mut self) {
        match open(&self.destination) {
            Ok(out) => {
                // In another file, a line of which a part is written begins again.
                if !out.is(&*self.out) {
                    self.written = self.begun();
                }
                self.out = out;
            }
            Err(error) => {
                self.counts.failures.inc();
                let path = &self.destination;
                tracing::error!(%path, %error, "cannot reopen the audit log: the file that is open stays in use");
            }
        }
    }
}

fn count(lines: &[u8]) -> u64 {
    lines.iter().map(|byte| u64::from(*byte == b'\n')).sum()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::sync::Semaphore;

    use super::super::out::Identity;
    use super::*;

    /// Takes so many bytes, and then fails until it is given more room.
    #[derive(Clone)]
    struct Disk(Arc<Mutex<State>>);

    struct State {
        held: Vec<u8>,
        room: usize,
        /// Whether it is a file, which can be cut, or a pipe.
        file: bool,
    }

    impl Disk {
        fn with_room(room: usize, file: bool) -> Self {
            Self(Arc::new(Mutex::new(State { held: Vec::new(), room, file })))
        }

        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().held.clone()).unwrap()
        }

        fn gets_room(&self, room: usize) {
            self.0.lock().unwrap().room = room;
        }
    }

    impl Out for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let State { held, room, .. } = &mut *self.0.lock().unwrap();
            let taken = bytes.len().min(*room - held.len());
            if taken == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            held.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn take_back(&mut self, bytes: usize) -> io::Result<()> {
            let State { held, file, .. } = &mut *self.0.lock().unwrap();
            if !*file {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            held.truncate(held.len() - bytes);
            Ok(())
        }

        fn identity(&self) -> Option<Identity> {
            None
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
            failing: None,
        }
    }

    fn counted(writer: &Writer) -> (u64, u64) {
        (writer.counts.written.get(), writer.counts.dropped.get())
    }

    #[test]
    fn a_full_disk_costs_whole_lines_that_are_counted_and_tears_none() {
        let disk = Disk::with_room(10, true);
        let mut writer = writer(&disk, WhenFull::Drop);
        writer.pending = b"first\nsecond\nthird\n".to_vec();
        writer.write_out();
        assert_eq!(disk.text(), "first\n");
        assert_eq!(counted(&writer), (1, 2));
        disk.gets_room(1000);
        writer.pending.extend_from_slice(b"fourth\n");
        writer.write_out();
        assert_eq!(disk.text(), "first\nfourth\n");
        assert_eq!(counted(&writer), (2, 2));
    }

    #[test]
    fn what_cannot_be_taken_back_is_finished_however_often_that_fails() {
        let disk = Disk::with_room(10, false);
        let mut writer = writer(&disk, WhenFull::Drop);
        writer.pending = b"first\nsecond\nthird\n".to_vec();
        writer.write_out();
        for n in 0..3 {
            writer.pending.extend_from_slice(format!("lost {n}\n").as_bytes());
            writer.write_out();
        }
        assert_eq!(disk.text(), "first\nseco");
        assert_eq!(counted(&writer), (1, 4));
        disk.gets_room(1000);
        writer.pending.extend_from_slice(b"last\n");
        writer.write_out();
        assert_eq!(disk.text(), "first\nsecond\nlast\n");
        assert_eq!(counted(&writer), (3, 4));
    }

    #[test]
    fn what_is_waiting_when_the_program_ends_is_written() {
        let disk = Disk::with_room(1000, true);
        let (queue, lines) = mpsc::unbounded_channel();
        let room = Arc::new(Semaphore::new(6));
        let writer = writer(&disk, WhenFull::Block);
        let counts = writer.counts.clone();
        for line in ["a\n", "b\n", "c\n"] {
            let held = Arc::clone(&room).try_acquire_many_owned(2).unwrap();
            assert!(queue.send(Message::Line(line.into(), Waiting::new(held, &counts))).is_ok());
        }
        assert_eq!((counts.lines.get(), counts.bytes.get()), (3, 6));
        assert!(queue.send(Message::Close).is_ok());
        writer.run(lines);
        assert_eq!(disk.text(), "a\nb\nc\n");
        assert_eq!(counts.written.get(), 3);
        assert!(queue.send(Message::Reopen).is_err(), "nobody listens any more");
        assert_eq!(room.available_permits(), 6, "what is written takes no room");
        assert_eq!((counts.lines.get(), counts.bytes.get()), (0, 0));
    }

    #[test]
    fn what_had_begun_when_the_program_ends_counts_as_lost() {
        let disk = Disk::with_room(3, false);
        let mut writer = writer(&disk, WhenFull::Drop);
        let counts = writer.counts.clone();
        writer.pending = b"first\nsecond\n".to_vec();
        writer.write_out();
        assert_eq!(counts.dropped.get(), 1);
        writer.end();
        assert_eq!((counts.written.get(), counts.dropped.get()), (0, 2));
    }
}
