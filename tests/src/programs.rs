//! Where the programs are that the tests start, and the test data that comes with them.

use std::env;
use std::path::{self, PathBuf};

use anyhow::{Context, Result, bail};

/// The cache that `e2e/tools/install` fills: `$SALLYPORT_CACHE`, else `sallyport` in the user's cache folder.
///
/// # Errors
/// When neither `SALLYPORT_CACHE`, `XDG_CACHE_HOME` nor `HOME` is set.
pub fn cache() -> Result<PathBuf> {
    let from = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let dir = from("SALLYPORT_CACHE")
        .or_else(|| from("XDG_CACHE_HOME").map(|dir| dir.join("sallyport")))
        .or_else(|| from("HOME").map(|dir| dir.join(".cache/sallyport")))
        .context("no cache folder: set SALLYPORT_CACHE, XDG_CACHE_HOME or HOME")?;
    Ok(path::absolute(dir)?)
}

/// The program of that name, in `$SALLYPORT_TOOLS` or else in the cache's `bin`.
///
/// # Errors
/// When it is not there; the message says what to run.
pub fn find(name: &str) -> Result<PathBuf> {
    let dir = match env::var_os("SALLYPORT_TOOLS") {
        Some(dir) => path::absolute(dir)?,
        None => cache()?.join("bin"),
    };
    let program = dir.join(name);
    if !program.is_file() {
        bail!("{name} is not in {}: run `make tools`", dir.display());
    }
    Ok(program)
}

/// The folder of test data of that name: `pod-security-admission`.
///
/// # Errors
/// When it is not there; the message says what to run.
pub fn corpus(name: &str) -> Result<PathBuf> {
    let dir = cache()?.join("corpus").join(name);
    if !dir.is_dir() {
        bail!("{} is missing: run `make tools`", dir.display());
    }
    Ok(dir)
}

/// The folder of a program's source: `istio`.
///
/// # Errors
/// When it is not there; the message says what to run.
pub fn source(name: &str) -> Result<PathBuf> {
    let dir = cache()?.join("sources").join(name);
    if !dir.is_dir() {
        bail!("{} is missing: run `make tools`", dir.display());
    }
    Ok(dir)
}

/// The folder of a program's custom resource definitions: `kyverno`.
///
/// # Errors
/// When it is not there; the message says what to run.
pub fn definitions(name: &str) -> Result<PathBuf> {
    let dir = cache()?.join("crds").join(name);
    if !dir.is_dir() {
        bail!("{} is missing: run `e2e/tools/install {name}`", dir.display());
    }
    Ok(dir)
}
