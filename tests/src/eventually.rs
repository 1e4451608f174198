//! Waiting for what becomes true by itself.

use std::time::Duration;

use anyhow::{Context as _, Result};

/// Long enough for any machine: it ends a test that hangs, and decides none.
const HANGS: Duration = Duration::from_secs(60);
const LOOKS: Duration = Duration::from_millis(50);

/// What `find` finds, once it finds something.
///
/// # Errors
/// When it has not found anything within a minute.
pub async fn eventually<T>(what: &str, mut find: impl AsyncFnMut() -> Option<T>) -> Result<T> {
    let looking = async {
        loop {
            if let Some(found) = find().await {
                return found;
            }
            tokio::time::sleep(LOOKS).await;
        }
    };
    tokio::time::timeout(HANGS, looking).await.with_context(|| format!("it never came true that {what}"))
}
