//! What a running program has said so far.

use std::io::{BufRead as _, BufReader, Read};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;
use tokio::sync::watch;

/// Long enough for any machine: it ends a test that hangs, and decides none.
const HANGS: Duration = Duration::from_secs(60);

/// A program's output, line by line: JSON where a line is JSON, else its text.
pub struct Log {
    lines: watch::Receiver<Vec<Value>>,
}

impl Log {
    /// Reads to the end of the output, on a thread of its own.
    #[must_use]
    pub fn of(output: impl Read + Send + 'static) -> Self {
        let (said, lines) = watch::channel(Vec::new());
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
                said.send_modify(|lines| lines.push(line));
            }
        });
        Self { lines }
    }

    /// What `find` finds in the first line in which it finds something, once there is one.
    ///
    /// # Errors
    /// When the program ends, or says nothing of the kind for a minute: with all that it said.
    pub async fn find<T>(&self, find: impl Fn(&Value) -> Option<T>) -> Result<T> {
        let mut lines = self.lines.clone();
        let said = lines.wait_for(|lines| lines.iter().any(|line| find(line).is_some()));
        let found = tokio::time::timeout(HANGS, said).await.ok().and_then(Result::ok).is_some();
        let line = self.lines.borrow().iter().find_map(find);
        line.filter(|_| found).with_context(|| format!("the program said\n{}", self.text()))
    }

    /// Returns once a line has this message.
    ///
    /// # Errors
    /// As for [`find`](Self::find).
    pub async fn says(&self, message: &str) -> Result<Value> {
        let said = self.find(|line| (line["message"] == message).then(|| line.clone())).await;
        said.with_context(|| format!("{message:?} was not said"))
    }

    /// How many lines have this message by now.
    #[must_use]
    pub fn count(&self, message: &str) -> usize {
        self.lines.borrow().iter().filter(|line| line["message"] == message).count()
    }

    /// Returns once the program has closed its output: it has ended.
    ///
    /// # Errors
    /// When it has not within a minute.
    pub async fn ends(&self) -> Result<()> {
        let mut lines = self.lines.clone();
        let ended = async { while lines.changed().await.is_ok() {} };
        let ended = tokio::time::timeout(HANGS, ended).await;
        ended.with_context(|| format!("the program goes on; it said\n{}", self.text()))
    }

    /// All of it.
    #[must_use]
    pub fn text(&self) -> String {
        let lines = self.lines.borrow();
        let text = lines.iter().map(|line| line.as_str().map_or_else(|| line.to_string(), str::to_owned));
        text.collect::<Vec<_>>().join("\n")
    }
}
