//! Whether proxies can get the filter.
//!
//! One that can't refuses every request from then on, so nobody is told of a filter that the leader itself can't get where
//! proxies would.

use std::time::Duration;

use bytes::Bytes;
use reqwest::{Client, StatusCode};

use super::Attaching;
use crate::filter::Module;
use crate::server::module_path;

/// As long as an agent waits for it, for which a proxy waits.
const LONGEST: Duration = Duration::from_secs(10);

impl Attaching {
    /// Where proxies get the filter.
    pub(super) fn module_url(&self) -> String {
        format!("{}{}", self.url, module_path(self.modules.digest()))
    }

    /// Gets it from there.
    ///
    /// # Errors
    /// Why that is not what it should be, in a sentence.
    pub(super) async fn reach(&self) -> Result<(), String> {
        let url = self.module_url();
        let told =
            |error: reqwest::Error| format!("{url}: {}", crate::cli::told(&error.without_url().into()));
        let client = Client::builder().timeout(LONGEST).no_proxy().build().map_err(told)?;
        let answer = client.get(&url).send().await.map_err(told)?;
        if answer.status() != StatusCode::OK {
            return Err(format!("{url} answers {}", answer.status()));
        }
        let bytes: Bytes = answer.bytes().await.map_err(told)?;
        let found = Module::of(bytes);
        if found.digest() != self.modules.digest() {
            return Err(format!("{url} has something else: its SHA-256 digest is {}", found.digest()));
        }
        Ok(())
    }
}
