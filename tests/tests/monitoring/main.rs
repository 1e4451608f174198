//! What watches Sallyport: rules for Prometheus and dashboards for Grafana, held against what the program and the filter
//! say of themselves.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, ensure};
use sallyport_tests::programs;

mod dashboards;
mod names;
mod promql;
mod rules;
mod running;
mod series;

/// What is watched: each has a file of rules, one of their tests, and a dashboard.
const PARTS: [&str; 2] = ["webhook", "filter"];

fn monitoring() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests/monitoring")
}

/// Runs a program with this input; what it printed, where it was content.
fn run(program: &str, args: &[PathBuf], input: &str) -> Result<String> {
    let mut command = Command::new(programs::find(program)?);
    let command = command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let mut stdin = child.stdin.take().context("no input")?;
    // Written beside what is read: neither waits for the other.
    let Output { status, stdout, stderr } = std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input.as_bytes()));
        child.wait_with_output()
    })?;
    let said = String::from_utf8(stdout)?;
    ensure!(status.success(), "{program}: {said}{}", String::from_utf8_lossy(&stderr));
    Ok(said)
}
