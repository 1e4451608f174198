//! The filter's module.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context as _, Result, ensure};

/// The filter's module, as `make filter` builds it.
#[derive(Clone, Debug)]
pub struct Module {
    /// Where it is.
    pub path: PathBuf,
    /// Its SHA-256 digest, in hexadecimal digits.
    pub sha256: String,
}

impl Module {
    /// Builds it from the sources as they are now, once for each test process.
    ///
    /// # Errors
    /// When it can't be built, or is too large: with what the build said.
    pub fn built() -> Result<&'static Self> {
        static BUILT: OnceLock<Result<Module, String>> = OnceLock::new();
        BUILT
            .get_or_init(|| build().map_err(|error| format!("{error:#}")))
            .as_ref()
            .map_err(|error| anyhow::anyhow!("the filter does not build: {error}"))
    }
}

fn build() -> Result<Module> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wasm-filter/build");
    let output = Command::new(&script).output().with_context(|| script.display().to_string())?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout)?;
    let field = |name: &str| {
        let line = said.lines().find_map(|line| line.strip_prefix(name).filter(|rest| rest.starts_with(' ')));
        line.map(|rest| rest.trim().to_owned()).with_context(|| format!("no {name} in what it said:\n{said}"))
    };
    Ok(Module { path: field("module")?.into(), sha256: field("sha256")? })
}
