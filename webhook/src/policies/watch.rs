//! Being told of changes by the system, for as long as what is watched stays what its path stands for.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

/// A watch on files and folders. A folder that is replaced takes its watch with it, so it is set anew: [`Watch::renew`].
pub(super) struct Watch {
    inputs: Vec<PathBuf>,
    changed: mpsc::Sender<()>,
    set: Option<(RecommendedWatcher, Vec<Identity>)>,
}

/// Device and inode; `None` where there is nothing.
type Identity = Option<(u64, u64)>;

impl Watch {
    /// A watch that is not set yet. What changes is said to `changed`, in one message however much it is.
    pub(super) fn new(inputs: Vec<PathBuf>, changed: mpsc::Sender<()>) -> Self {
        Self { inputs, changed, set: None }
    }

    /// Sets the watch where there is none, or where another file or folder has taken the place of one that is watched.
    ///
    /// # Errors
    /// Where it cannot be set: nobody is told of changes until it can.
    pub(super) fn renew(&mut self) -> notify::Result<()> {
        let identities: Vec<Identity> = self.inputs.iter().map(|input| identity(input)).collect();
        if self.set.as_ref().is_some_and(|(_, of)| *of == identities) {
            return Ok(());
        }
        self.set = None;
        let changed = self.changed.clone();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| !event.kind.is_access()) {
                // A full channel says it already.
                changed.try_send(()).ok();
            }
        })?;
        for input in &self.inputs {
            let (watched, depth) = watched(input);
            watcher.watch(watched, depth)?;
        }
        self.set = Some((watcher, identities));
        Ok(())
    }
}

/// An editor replaces a file, so a watch on the file itself would end: its folder is watched, and of that nothing below
/// it.
fn watched(input: &Path) -> (&Path, RecursiveMode) {
    if input.is_dir() {
        return (input, RecursiveMode::Recursive);
    }
    let parent = input.parent().filter(|parent| !parent.as_os_str().is_empty());
    (parent.unwrap_or_else(|| Path::new(".")), RecursiveMode::NonRecursive)
}

fn identity(input: &Path) -> Identity {
    watched(input).0.metadata().ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    /// Ends a test that hangs, and decides none.
    const HANGS: Duration = Duration::from_secs(120);

    #[tokio::test]
    async fn a_folder_that_another_takes_the_place_of_is_watched_on() {
        let dir = tempfile::tempdir().unwrap();
        let (policies, next) = (dir.path().join("policies"), dir.path().join("next"));
        fs::create_dir(&policies).unwrap();
        let (tell, mut told) = mpsc::channel(1);
        let mut watch = Watch::new(vec![policies.clone()], tell);
        watch.renew().unwrap();
        fs::rename(&policies, dir.path().join("old")).unwrap();
        // Meanwhile the folder above is watched.
        watch.renew().unwrap();
        fs::create_dir(&next).unwrap();
        fs::rename(&next, &policies).unwrap();
        watch.renew().unwrap();
        while told.try_recv().is_ok() {}
        fs::write(policies.join("team.yaml"), "").unwrap();
        timeout(HANGS, told.recv()).await.expect("nobody says that it changed").unwrap();
    }
}
