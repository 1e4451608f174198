//! The files that are read: those that are named, those of folders, and standard input.

use std::collections::HashSet;
use std::fs::File;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use walkdir::{DirEntry, WalkDir};

use super::error::{ReadError, Unreadable};
use super::text::SourceText;

/// The most that is read of one file, in bytes.
pub const SIZE_LIMIT: u64 = 64 * 1024 * 1024;
/// How standard input is called in messages.
const STDIN: &str = "<stdin>";

/// Which files of a folder are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// All but those of cases.
    Objects,
    /// `*.test.yaml` and the like, and no others.
    Cases,
}

/// A file as it was read.
pub(super) struct FileText {
    /// As the user calls it.
    pub(super) name: String,
    pub(super) text: String,
    /// Whether it was found in a folder rather than named.
    pub(super) in_folder: bool,
}

/// Gives `each` every file of the inputs in turn, or why it can't be read.
pub(super) fn visit(
    inputs: &[PathBuf],
    kind: Kind,
    stdin: &mut dyn Read,
    each: &mut dyn FnMut(Result<FileText, ReadError>),
) {
    let mut visitor = Visitor { kind, each };
    for input in inputs {
        if input.as_os_str() == "-" {
            visitor.text(STDIN, stdin, false);
        } else if input.is_dir() {
            visitor.folder(input);
        } else {
            visitor.file(input, false);
        }
    }
}

/// A number for what stands in the files, read as text and not parsed: another where any of them says anything else,
/// comes or goes.
#[must_use]
pub fn fingerprint(inputs: &[PathBuf]) -> u64 {
    let mut hasher = DefaultHasher::new();
    visit(inputs, Kind::Objects, &mut io::empty(), &mut |file| match file {
        Ok(file) => (file.name, file.text).hash(&mut hasher),
        Err(error) => error.to_string().hash(&mut hasher),
    });
    hasher.finish()
}

/// Whether a file of a folder is read at all, by its name.
#[must_use]
pub fn is_readable(path: &Path) -> bool {
    path.extension().is_some_and(|is| is == "yaml" || is == "yml" || is == "json")
}

struct Visitor<'e> {
    kind: Kind,
    each: &'e mut dyn FnMut(Result<FileText, ReadError>),
}

impl Visitor<'_> {
    fn folder(&mut self, folder: &Path) {
        let mut seen = HashSet::new();
        let (mut files, mut unread) = (0, false);
        let walk = WalkDir::new(folder).follow_links(true).sort_by_file_name();
        for entry in walk.into_iter().filter_entry(|entry| entry.depth() == 0 || !is_hidden(entry)) {
            match entry {
                Ok(entry) if entry.file_type().is_file() && self.is_read(entry.path()) => {
                    files += 1;
                    let path = entry.path();
                    if seen.insert(path.canonicalize().unwrap_or_else(|_| path.to_owned())) {
                        self.file(path, true);
                    }
                }
                Ok(_) => {}
                // A link back to a folder above: what is there is read already.
                Err(error) if error.loop_ancestor().is_some() => {}
                Err(error) => unread |= self.walk_error(folder, error),
            }
        }
        if files == 0 && !unread {
            let reason = match self.kind {
                Kind::Objects => Unreadable::NothingToRead,
                Kind::Cases => Unreadable::NoCases,
            };
            self.fail(ReadError::of(folder.display().to_string(), reason));
        }
    }

    /// Whether a file of a folder is read.
    fn is_read(&self, path: &Path) -> bool {
        is_readable(path) && holds_cases(path) == (self.kind == Kind::Cases)
    }

    /// Whether something may be there that was not read. A broken link matters only if it would have been: one that
    /// leads to nothing, and not one that could not be followed.
    fn walk_error(&mut self, folder: &Path, error: walkdir::Error) -> bool {
        let path = error.path().unwrap_or(folder).to_owned();
        let nothing = error.io_error().is_some_and(|error| error.kind() == io::ErrorKind::NotFound);
        let broken_link = nothing && path.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink());
        if broken_link && !self.is_read(&path) {
            return false;
        }
        let error = error.into_io_error().unwrap_or_else(|| io::ErrorKind::Other.into());
        self.fail(ReadError::of(path.display().to_string(), error));
        true
    }

    fn file(&mut self, path: &Path, in_folder: bool) {
        let name = path.display().to_string();
        match File::open(path) {
            Ok(mut file) => self.text(&name, &mut file, in_folder),
            Err(error) => self.fail(ReadError::of(name, error)),
        }
    }

    fn text(&mut self, name: &str, from: &mut dyn Read, in_folder: bool) {
        let mut bytes = Vec::new();
        if let Err(error) = from.take(SIZE_LIMIT + 1).read_to_end(&mut bytes) {
            return self.fail(ReadError::of(name, error));
        }
        if bytes.len() as u64 > SIZE_LIMIT {
            return self.fail(ReadError::of(name, Unreadable::TooLarge { limit: SIZE_LIMIT }));
        }
        match String::from_utf8(bytes) {
            Ok(text) => (self.each)(Ok(FileText { name: name.to_owned(), text, in_folder })),
            Err(error) => {
                self.fail(not_utf8(name, error.as_bytes(), error.utf8_error().valid_up_to()));
            }
        }
    }

    fn fail(&mut self, error: ReadError) {
        (self.each)(Err(error));
    }
}

fn is_hidden(entry: &DirEntry) -> bool {
    entry.file_name().as_encoded_bytes().starts_with(b".")
}

/// Whether a file is called `*.test.yaml` or the like.
fn holds_cases(path: &Path) -> bool {
    path.file_stem().map(Path::new).and_then(Path::extension).is_some_and(|extension| extension == "test")
}

fn not_utf8(name: &str, bytes: &[u8], valid: usize) -> ReadError {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return ReadError::of(name, Unreadable::Utf16);
    }
    let byte = bytes.get(valid).copied().unwrap_or_default();
    let with_mark = bytes.starts_with("\u{feff}".as_bytes());
    let start = if with_mark { valid - '\u{feff}'.len_utf8() } else { valid };
    let origin = Arc::new(SourceText::new(name, String::from_utf8_lossy(bytes)));
    let shown = start..start + char::REPLACEMENT_CHARACTER.len_utf8();
    ReadError::at(&origin, origin.location(shown), Unreadable::NotUtf8 { byte })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_fingerprint_changes_with_the_text_of_any_file_and_with_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let inputs = [folder.path().to_owned()];
        let path = |name: &str| folder.path().join(name);
        let mut seen = HashSet::new();
        let mut is_new = || seen.insert(fingerprint(&inputs));
        assert!(is_new(), "an empty folder");
        fs::write(path("a.yaml"), "x: 1\n").unwrap();
        assert!(is_new(), "a file comes");
        assert!(!is_new());
        fs::write(path("a.yaml"), "x: 2\n").unwrap();
        assert!(is_new(), "its text changes");
        fs::rename(path("a.yaml"), path("b.yaml")).unwrap();
        assert!(is_new(), "its name changes");
        fs::write(path("b.yaml"), b"x: \xff\n").unwrap();
        assert!(is_new(), "it is no text");
        fs::write(path("b.yaml"), "x: 2\n").unwrap();
        assert!(!is_new(), "it says again what it said");
        fs::write(path("b.txt"), "x: 3\n").unwrap();
        fs::write(path("b.test.yaml"), "x: 4\n").unwrap();
        assert!(!is_new(), "these are not read");
    }
}
