//! A folder for one run of the servers: their data, keys and logs.

use std::fs::{self, File};
use std::path::Path;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::programs;

/// A folder under the cache's `run`, removed on drop.
///
/// A process that is killed, or that holds it in a static, leaves it behind with the logs in it; the next run
/// removes it. Each folder is claimed by a lock on a file in it, which ends with the process that holds it.
pub struct RunDir {
    dir: TempDir,
    _claim: File,
}

const CLAIM: &str = "claim";

impl RunDir {
    /// Makes one, and removes those that nobody holds any more.
    ///
    /// # Errors
    /// When the cache cannot be written to.
    pub fn create() -> Result<Self> {
        let root = programs::cache()?.join("run");
        Self::create_in(&root).with_context(|| format!("cannot make a folder in {}", root.display()))
    }

    fn create_in(root: &Path) -> Result<Self> {
        fs::create_dir_all(root)?;
        // Nobody sweeps between the making of a folder and its claim.
        let turn = File::create(root.join(".turn"))?;
        turn.lock()?;
        sweep(root)?;
        let dir = tempfile::Builder::new().prefix("servers-").tempdir_in(root)?;
        let claim = File::create(dir.path().join(CLAIM))?;
        claim.lock()?;
        Ok(Self { dir, _claim: claim })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.dir.path()
    }
}

/// Removes the folders whose process is gone; what cannot be removed is left to the next run.
fn sweep(root: &Path) -> Result<()> {
    for entry in fs::read_dir(root)? {
        let path = entry?.path();
        if path.is_dir() && File::create(path.join(CLAIM)).is_ok_and(|claim| claim.try_lock().is_ok()) {
            let _ = fs::remove_dir_all(&path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_left_behind_is_removed_by_the_next_run_and_one_in_use_is_not() -> Result<()> {
        let root = tempfile::tempdir()?;
        let left = root.path().join("servers-left");
        fs::create_dir(&left)?;
        let used = RunDir::create_in(root.path())?;
        assert!(!left.exists());
        let other = RunDir::create_in(root.path())?;
        assert!(used.path().exists() && other.path().exists());
        let path = used.path().to_owned();
        drop(used);
        assert!(!path.exists());
        Ok(())
    }
}
