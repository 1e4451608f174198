//! The filter that the program carries for proxies.

use std::path::Path;

use anyhow::Context as _;
use bytes::Bytes;
use sallyport_attach::check_module;
use sha2::{Digest as _, Sha256};

/// A module of WebAssembly that proxies run.
#[derive(Clone)]
pub(crate) struct Module {
    bytes: Bytes,
    digest: String,
}

impl Module {
    /// That which was built into the program.
    pub(crate) fn carried() -> Option<Self> {
        #[cfg(carries_filter)]
        const CARRIED: Option<&[u8]> = Some(include_bytes!(env!("SALLYPORT_FILTER_PATH")));
        #[cfg(not(carries_filter))]
        const CARRIED: Option<&[u8]> = None;
        CARRIED.map(|bytes| Self::of(Bytes::from_static(bytes)))
    }

    /// That in a file.
    ///
    /// # Errors
    /// It can't be read, or is no filter.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {shown}"))?;
        check_module(&bytes).with_context(|| format!("{shown} is not the filter"))?;
        Ok(Self::of(bytes.into()))
    }

    /// What these bytes are.
    pub(crate) fn of(bytes: Bytes) -> Self {
        let digest = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        Self { bytes, digest }
    }

    pub(crate) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The SHA-256 digest, in hexadecimal digits: 64 of them.
    pub(crate) fn digest(&self) -> &str {
        &self.digest
    }
}

impl std::fmt::Debug for Module {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Module").field("digest", &self.digest).finish_non_exhaustive()
    }
}
