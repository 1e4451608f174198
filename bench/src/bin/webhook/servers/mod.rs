//! The servers that are measured, each in a process of its own, ended with this one.

pub(crate) mod bare;
pub(crate) mod kyverno;
pub(crate) mod pod_security_admission;
pub(crate) mod sallyport;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use sallyport_bench::usage;
use sallyport_tests::pki;
use sallyport_tests::process::Process;
use sallyport_tests::run_dir::RunDir;

use crate::load::{Load, Target, Until, send};
use crate::review::Call;

/// Kyverno registers itself, makes certificates and learns of its policies first.
const START_TIMEOUT: Duration = Duration::from_secs(180);

/// A server, and what is asked of it.
pub(crate) struct Running {
    pub(crate) name: String,
    pub(crate) target: Target,
    pub(crate) workloads: Vec<Workload>,
    process: Process,
    _dir: RunDir,
}

/// Calls that are sent in turn, under a name.
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) calls: Vec<Call>,
}

impl Workload {
    pub(crate) fn new(name: &'static str, calls: impl Into<Vec<Call>>) -> Self {
        Self { name, calls: calls.into() }
    }
}

impl Running {
    /// Waits until every call is answered as it should be.
    ///
    /// # Errors
    /// When the process ends, or never comes to that: with the last fault.
    async fn ready(mut self) -> Result<Self> {
        let start = Instant::now();
        let once = |calls: usize| Load {
            connections: 1,
            threads: 1,
            warm_up: Duration::ZERO,
            until: Until::Calls(calls as u64),
        };
        loop {
            let sent = tokio::task::block_in_place(|| {
                self.workloads.iter().try_for_each(|workload| {
                    send(&self.target, &workload.calls, &once(workload.calls.len()))
                        .map(drop)
                        .with_context(|| format!("{} of {}", workload.name, self.name))
                })
            });
            let Err(fault) = sent else { return Ok(self) };
            if let Some(status) = self.process.ended()? {
                bail!("{} has ended: {status}; {}", self.name, self.process.log_tail());
            }
            if start.elapsed() > START_TIMEOUT {
                bail!("{fault:#}, after {START_TIMEOUT:?}; {}", self.process.log_tail());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// What it holds of memory now, in MiB.
    ///
    /// # Errors
    /// When it has ended.
    pub(crate) fn resident_mib(&self) -> Result<f64> {
        usage::resident_mib(self.process.id())
    }

    /// The processor time that it has had so far, in seconds.
    ///
    /// # Errors
    /// When it has ended.
    pub(crate) fn processor_seconds(&self) -> Result<f64> {
        usage::processor_seconds(self.process.id())
    }
}

/// The certificate of a server on this machine, in `dir`, and the arguments that name it.
struct Certificate {
    arguments: [String; 4],
    ca_pem: String,
}

impl Certificate {
    /// `names` are the flags for the certificate and for its key.
    fn write(dir: &Path, names: [&str; 2]) -> Result<Self> {
        pki::write_server(dir)?;
        let [certificate, key] = names.map(str::to_owned);
        let file = |name: &str| dir.join(name).display().to_string();
        Ok(Self {
            arguments: [certificate, file("tls.crt"), key, file("tls.key")],
            ca_pem: fs::read_to_string(dir.join("ca.crt"))?,
        })
    }
}

/// A port that nobody has at the moment. Who takes it before the server does makes the server's start fail.
fn free_port() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
