//! Waiting for files to change.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

/// Editors write several files at once; what follows within this time belongs together.
const SETTLE: Duration = Duration::from_millis(100);

/// Follows files and folders.
pub(super) struct Watch {
    watcher: RecommendedWatcher,
    changes: Receiver<()>,
    watched: Vec<PathBuf>,
}

impl Watch {
    pub(super) fn new() -> notify::Result<Self> {
        let (changed, changes) = mpsc::channel();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| !event.kind.is_access()) {
                changed.send(()).ok();
            }
        })?;
        Ok(Self { watcher, changes, watched: Vec::new() })
    }

    /// Follows these too. What is not there can't be followed, and is told of by whoever reads it.
    pub(super) fn add(&mut self, inputs: &[PathBuf]) {
        for input in inputs {
            // An editor replaces a file, so a watch on the file itself would end: its folder is watched.
            let (folder, depth) = if input.is_dir() {
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
        }
    }

    /// Returns once something has changed; false where nothing can change any more.
    pub(super) fn wait(&self) -> bool {
        if self.changes.recv().is_err() {
            return false;
        }
        while self.changes.recv_timeout(SETTLE).is_ok() {}
        true
    }
}
