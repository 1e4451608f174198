//! Waiting for the files that were read to change.

use std::fs::{File, Metadata};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};

use crate::source::is_readable;

/// Editors write several files at once; what follows within this time belongs together.
const SETTLE: Duration = Duration::from_millis(100);

/// Follows files and folders.
pub(super) struct Watch {
    watcher: RecommendedWatcher,
    changes: Receiver<Event>,
    watched: Vec<PathBuf>,
    inputs: Vec<Input>,
    /// Where the results go: a file beside the cases is none of them.
    outputs: Vec<(u64, u64)>,
}

/// A file or folder that was read, by its path without links.
#[derive(Debug, PartialEq, Eq)]
struct Input {
    path: PathBuf,
    is_folder: bool,
}

impl Watch {
    pub(super) fn new() -> notify::Result<Self> {
        let (changed, changes) = mpsc::channel();
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if let Ok(event) = event
                && !event.kind.is_access()
            {
                changed.send(event).ok();
            }
        })?;
        let outputs = [written_to(&io::stdout()), written_to(&io::stderr())].into_iter().flatten().collect();
        Ok(Self { watcher, changes, watched: Vec::new(), inputs: Vec::new(), outputs })
    }

    /// Follows these too. What is not there can't be followed, and is told of by whoever reads it.
    pub(super) fn add(&mut self, inputs: &[PathBuf]) {
        for input in inputs {
            let is_folder = input.is_dir();
            // An editor replaces a file, so a watch on the file itself would end: its folder is watched.
            let (folder, depth) = if is_folder {
                (input.as_path(), RecursiveMode::Recursive)
            } else {
                let parent = input.parent().filter(|parent| !parent.as_os_str().is_empty());
                (parent.unwrap_or(Path::new(".")), RecursiveMode::NonRecursive)
            };
            if !self.watched.iter().any(|watched| watched == folder)
                && self.watcher.watch(folder, depth).is_ok()
            {
                self.watched.push(folder.to_owned());
            }
            let path = if is_folder { input.canonicalize().unwrap_or_default() } else { resolved(input) };
            let input = Input { path, is_folder };
            if !self.inputs.contains(&input) {
                self.inputs.push(input);
            }
        }
    }

    /// Returns once something has changed that is read; false where nothing can change any more.
    pub(super) fn wait(&self) -> bool {
        loop {
            let Ok(event) = self.changes.recv() else { return false };
            if event.paths.iter().any(|path| self.is_read(path)) {
                break;
            }
        }
        while self.changes.recv_timeout(SETTLE).is_ok() {}
        true
    }

    /// Whether what stands at a path, or stood there, is read: a file that is named, or one of a folder.
    fn is_read(&self, path: &Path) -> bool {
        let written = path.metadata().ok().filter(Metadata::is_file).map(|file| (file.dev(), file.ino()));
        if written.is_some_and(|file| self.outputs.contains(&file)) {
            return false;
        }
        let path = resolved(path);
        self.inputs.iter().any(|input| {
            let Ok(below) = path.strip_prefix(&input.path) else { return false };
            if !input.is_folder {
                return below.as_os_str().is_empty();
            }
            let hidden = below.iter().any(|part| part.as_encoded_bytes().starts_with(b"."));
            // A folder that comes or goes takes files with it.
            !hidden && (is_readable(&path) || !path.is_file())
        })
    }
}

/// The path without links in the folders above; what it leads to may be gone.
fn resolved(path: &Path) -> PathBuf {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match (parent.canonicalize(), path.file_name()) {
        (Ok(parent), Some(name)) => parent.join(name),
        _ => path.canonicalize().unwrap_or_else(|_| path.to_owned()),
    }
}

/// Device and inode of the file that a stream is written to; `None` where it is none.
fn written_to(stream: &impl AsFd) -> Option<(u64, u64)> {
    let file = File::from(stream.as_fd().try_clone_to_owned().ok()?).metadata().ok()?;
    file.is_file().then(|| (file.dev(), file.ino()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn only_what_is_read_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        for folder in ["policies/team", "policies/.git", "cases"] {
            fs::create_dir_all(at(folder)).unwrap();
        }
        for file in ["cases/out", "policies/notes.md", "policies/a.yaml", "cases/shop.test.yaml"] {
            fs::write(at(file), "").unwrap();
        }
        let mut watch = Watch::new().unwrap();
        let results = File::create(at("policies/results.json")).unwrap();
        watch.outputs.extend(written_to(&results));
        watch.add(&[at("cases/../policies"), at("cases/shop.test.yaml"), at("cases/later.yaml")]);
        for (path, read) in [
            ("policies/a.yaml", true),
            ("policies/team/b.yml", true),
            ("cases/../policies/a.yaml", true),
            ("policies/gone.json", true),
            ("policies/team", true),
            ("policies/gone", true),
            ("policies", true),
            ("policies/notes.md", false),
            ("policies/results.json", false),
            ("policies/.git/index.json", false),
            ("policies/.a.yaml", false),
            ("cases/shop.test.yaml", true),
            ("cases/later.yaml", true),
            ("cases/out", false),
            ("cases/other.yaml", false),
            ("cases", false),
        ] {
            assert_eq!(watch.is_read(&at(path)), read, "{path}");
        }
    }
}
