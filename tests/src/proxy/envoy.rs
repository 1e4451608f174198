//! A running Envoy.

use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use http::Request;
use serde_json::Value;

use super::{page, send};
use crate::metrics;
use crate::process::Process;
use crate::programs;
use crate::run_dir::RunDir;

const START_TIMEOUT: Duration = Duration::from_secs(60);
const ADMIN_ADDRESS: &str = "admin-address";
const CONFIGURATION: &str = "envoy.json";

/// A running Envoy, ended on drop and, by the kernel, with this process.
pub struct Envoy {
    process: Process,
    admin: SocketAddr,
    address: SocketAddr,
    dir: RunDir,
}

impl Envoy {
    /// Starts it with so many workers and these flags, its listener's and its admin interface's ports being 0, and waits
    /// until it is ready.
    ///
    /// # Errors
    /// When it refuses its configuration: with the end of its output.
    pub async fn start(
        bootstrap: &Value,
        workers: u32,
        flags: &[String],
        environment: &[(String, OsString)],
        dir: RunDir,
    ) -> Result<Self> {
        fs::write(dir.path().join(CONFIGURATION), bootstrap.to_string())?;
        let workers = workers.to_string();
        let own = [
            ["--config-path", CONFIGURATION],
            ["--admin-address-path", ADMIN_ADDRESS],
            ["--concurrency", &workers],
            // What goes wrong in a filter is written at critical and error.
            ["--log-level", "warning"],
            ["--file-flush-interval-msec", "20"],
        ];
        let mut args: Vec<String> = own.as_flattened().iter().map(ToString::to_string).collect();
        args.push("--disable-hot-restart".to_owned());
        args.extend_from_slice(flags);
        let program = programs::find("envoy")?;
        let mut process = Process::start_with("envoy", &program, &args, environment, dir.path())?;
        let admin = ready(&mut process, &dir).await?;
        let listeners: Value =
            serde_json::from_slice(send(admin, get("/listeners?format=json")?).await?.body())?;
        let address = &listeners["listener_statuses"][0]["local_address"]["socket_address"];
        let port = address["port_value"].as_u64().context("Envoy does not say where it listens")?;
        let address = SocketAddr::new(admin.ip(), port.try_into()?);
        Ok(Self { process, admin, address, dir })
    }

    /// What Envoy says to a configuration without running it.
    ///
    /// # Errors
    /// When it refuses it: with the end of its output.
    pub fn validate(bootstrap: &Value, environment: &[(String, OsString)]) -> Result<()> {
        let dir = RunDir::create()?;
        fs::write(dir.path().join(CONFIGURATION), bootstrap.to_string())?;
        let output = Command::new(programs::find("envoy")?)
            .args(["--mode", "validate", "--log-level", "warning", "--config-path", CONFIGURATION])
            .envs(environment.iter().cloned())
            .current_dir(dir.path())
            .output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// Its process id.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// Where it listens for requests.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A page of the admin interface.
    ///
    /// # Errors
    /// When it is not answered 200.
    pub async fn admin(&self, path: &str) -> Result<String> {
        page(self.admin, path).await
    }

    /// The values of all counters and gauges of this name, whatever their labels, added up: as Prometheus sees them.
    ///
    /// # Errors
    /// When the admin interface does not answer.
    pub async fn metric(&self, name: &str, labels: &[&str]) -> Result<u64> {
        Ok(metrics::sum(&self.admin("/stats/prometheus").await?, name, labels))
    }

    /// How many bytes of memory it has.
    ///
    /// # Errors
    /// When it has ended.
    pub fn resident_bytes(&self) -> Result<u64> {
        self.process.resident_bytes()
    }

    /// All that it has said.
    #[must_use]
    pub fn output(&self) -> String {
        self.process.output()
    }

    /// The folder that it runs in, and that names of files in its configuration start from.
    pub(super) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The file of the access log, one line of JSON a request.
    #[must_use]
    pub fn access_log(&self) -> PathBuf {
        self.dir.path().join(super::setup::ACCESS_LOG)
    }
}

fn get(path: &str) -> Result<Request<&'static str>> {
    Ok(Request::get(path).body("")?)
}

/// Waits until Envoy is ready; returns where its admin interface is.
async fn ready(process: &mut Process, dir: &RunDir) -> Result<SocketAddr> {
    let start = Instant::now();
    loop {
        let admin =
            fs::read_to_string(dir.path().join(ADMIN_ADDRESS)).ok().and_then(|text| text.parse().ok());
        if let Some(admin) = admin
            && let Ok(answer) = send(admin, get("/ready")?).await
            && answer.status() == 200
        {
            return Ok(admin);
        }
        if let Some(status) = process.ended()? {
            bail!("{status}; {}", process.log_tail());
        }
        if start.elapsed() > START_TIMEOUT {
            bail!("not ready after {START_TIMEOUT:?}; {}", process.log_tail());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
