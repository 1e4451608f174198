//! Where the audit log's bytes go.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use super::Destination;

/// What is written to: unbuffered, so that what was written is known when it fails.
pub(super) trait Out: Send {
    /// Writes some of the bytes, and says how many.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Cuts off what was written last. A pipe cannot; nor is a file cut that somebody else has written to since.
    fn take_back(&mut self, bytes: usize) -> io::Result<()>;

    /// What it is, whatever its name.
    fn identity(&self) -> Option<Identity>;
}

/// Device and inode.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Identity(u64, u64);

impl dyn Out {
    /// Whether both are the same file.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.identity().is_some_and(|identity| other.identity() == Some(identity))
    }
}

impl Out for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::Write::write(self, bytes)
    }

    fn take_back(&mut self, bytes: usize) -> io::Result<()> {
        let metadata = self.metadata()?;
        // Where a file is appended to, this is the end of what was written last (write(2)).
        let end = self.stream_position()?;
        let begin = end.checked_sub(bytes as u64).filter(|_| metadata.is_file() && metadata.len() == end);
        let Some(begin) = begin else { return Err(io::ErrorKind::InvalidInput.into()) };
        self.set_len(begin)?;
        self.seek(SeekFrom::Start(begin)).map(|_| ())
    }

    fn identity(&self) -> Option<Identity> {
        self.metadata().ok().map(|metadata| Identity(metadata.dev(), metadata.ino()))
    }
}

pub(super) fn open(destination: &Destination) -> io::Result<Box<dyn Out>> {
    Ok(Box::new(match destination {
        Destination::Stdout => {
            io::stdout().flush()?;
            File::from(io::stdout().as_fd().try_clone_to_owned()?)
        }
        Destination::File(path) => append(path)?,
    }))
}

/// Readable by nobody else: the log says who does what.
fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_last_is_taken_back_from_a_file_and_from_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        let destination = Destination::File(path.clone());
        let mut out = open(&destination).unwrap();
        assert_eq!(out.write(b"whole\npart").unwrap(), 10);
        out.take_back(4).unwrap();
        assert_eq!(out.write(b"next\n").unwrap(), 5);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "whole\nnext\n");
        let mut other = open(&destination).unwrap();
        assert_eq!(other.write(b"of another\n").unwrap(), 11);
        assert!(out.take_back(5).is_err(), "somebody else's would be cut");
        assert!(out.is(&*other));
        std::fs::rename(&path, dir.path().join("audit.jsonl.1")).unwrap();
        assert!(!out.is(&*open(&destination).unwrap()));
        assert!(open(&Destination::File("/dev/null".into())).unwrap().take_back(0).is_err());
    }
}
