//! The bare filter's module.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// Builds it as the filter is built; where it is.
///
/// # Errors
/// When it can't be built: with what the build said.
pub(crate) fn build() -> Result<PathBuf> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--locked", "--quiet", "--message-format", "json-render-diagnostics"])
        .args(["--package", "sallyport-bare-filter", "--profile", "filter", "--target", "wasm32-wasip1"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        // What is set for this machine's programs is not for the module.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_BUILD_RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout)?;
    let mut files = said
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["reason"] == "compiler-artifact")
        .flat_map(|message| message["filenames"].as_array().cloned().unwrap_or_default())
        .filter_map(|name| name.as_str().map(PathBuf::from));
    files.find(|name| name.extension().is_some_and(|end| end == "wasm")).context("cargo built no module")
}
