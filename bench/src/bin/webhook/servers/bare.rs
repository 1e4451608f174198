//! The bare servers: what there is to beat, and what cannot be beaten.

use std::path::Path;

use anyhow::Result;
use sallyport_tests::process::Process;
use sallyport_tests::run_dir::RunDir;

use super::{Certificate, Running, Workload, free_port};
use crate::load::Target;
use crate::review::{Reviews, Want};

/// Starts the server that reads each review into a tree and answers "allowed".
pub(crate) async fn parsing(programs: &Path, reviews: &Reviews) -> Result<Running> {
    let calls = [reviews.unhardened("/", Want::Allowed), reviews.hardened("/", Want::Allowed)];
    start(programs, "bare-parse", "parse", Workload::new("allow", calls)).await
}

/// Starts the server that returns what it gets.
pub(crate) async fn echoing(programs: &Path, reviews: &Reviews) -> Result<Running> {
    let calls = [reviews.unhardened("/", Want::Echo), reviews.hardened("/", Want::Echo)];
    start(programs, "bare-echo", "echo", Workload::new("echo", calls)).await
}

async fn start(programs: &Path, name: &'static str, work: &str, workload: Workload) -> Result<Running> {
    let dir = RunDir::create()?;
    let certificate = Certificate::write(dir.path(), ["--tls-cert", "--tls-key"])?;
    let address = free_port()?;
    let mut arguments = vec![work.to_owned(), "--listen".to_owned(), address.to_string()];
    arguments.extend(certificate.arguments);
    let process = Process::start(name, &programs.join("bare-server"), &arguments, dir.path())?;
    let target = Target { address, ca_pem: certificate.ca_pem };
    Running { name: name.to_owned(), target, workloads: vec![workload], process, _dir: dir }.ready().await
}
