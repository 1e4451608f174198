//! The program as it runs in production: `sallyport serve`, in a process of its own.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use anyhow::{Context as _, Result};
use kube::{Client, Config};
use serde_json::Value;

use crate::log::Log;
use crate::metrics;
use crate::process::Process;
use crate::registration::Server;
use crate::run_dir::RunDir;

/// `sallyport serve --standalone`, on free ports of this machine; ended when dropped, by its id.
pub struct Webhook {
    process: Process,
    log: Log,
    ca_pem: String,
    admission: SocketAddr,
    operations: SocketAddr,
    _dir: RunDir,
}

impl Webhook {
    /// Starts the program with these policies and a certificate of its own, and waits until it serves.
    ///
    /// # Errors
    /// When it does not start: with what it said.
    pub async fn start(program: &Path, policies: &[PathBuf]) -> Result<Self> {
        let dir = RunDir::create()?;
        let ca = dir.path().join("ca.pem");
        let identity = ["--ca-file".to_owned(), ca.display().to_string()];
        Self::start_in(dir, program, policies, &identity, &ca).await
    }

    /// The same with a certificate from files, which `ca` is trusted for.
    ///
    /// # Errors
    /// As for [`start`](Self::start).
    pub async fn start_as(
        program: &Path,
        policies: &[PathBuf],
        certificate: &Path,
        key: &Path,
        ca: &Path,
    ) -> Result<Self> {
        let text = |path: &Path| path.display().to_string();
        let identity = ["--tls-cert".to_owned(), text(certificate), "--tls-key".to_owned(), text(key)];
        Self::start_in(RunDir::create()?, program, policies, &identity, ca).await
    }

    async fn start_in(
        dir: RunDir,
        program: &Path,
        policies: &[PathBuf],
        identity: &[String],
        ca: &Path,
    ) -> Result<Self> {
        let any = "127.0.0.1:0";
        let mut args =
            ["serve", "--standalone", "--log-format", "json", "--listen", any, "--operations", any]
                .map(str::to_owned)
                .to_vec();
        args.extend_from_slice(identity);
        for folder in policies {
            args.extend(["--policies".to_owned(), folder.display().to_string()]);
        }
        let (process, errors) = Process::start_heard::<&str>("sallyport", program, &args, &[], dir.path())?;
        let log = Log::of(errors);
        // Both ports are bound by now: connections wait in the kernel until they are accepted.
        let line = log.says("listening").await?;
        let address = |port: &str| -> Result<SocketAddr> {
            Ok(line[port].as_str().context("the log names no address")?.parse()?)
        };
        let (admission, operations) = (address("webhook")?, address("operations")?);
        let ca_pem = fs::read_to_string(ca)?;
        Ok(Self { process, log, ca_pem, admission, operations, _dir: dir })
    }

    /// What it has said.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Where it listens for the API server.
    #[must_use]
    pub fn admission(&self) -> SocketAddr {
        self.admission
    }

    /// Asks it to end, as the kubelet does.
    ///
    /// # Errors
    /// When it has ended already.
    pub fn ask_to_end(&self) -> Result<()> {
        self.process.ask_to_end()
    }

    /// How it ended, once it has.
    ///
    /// # Errors
    /// When it goes on for a minute.
    pub async fn ended(&mut self) -> Result<ExitStatus> {
        self.log.ends().await?;
        Ok(self.process.wait()?)
    }

    /// The body of a page of its plain port: `/readyz`.
    ///
    /// # Errors
    /// When it is not answered 200.
    pub async fn page(&self, path: &str) -> Result<String> {
        let client = Client::try_from(Config::new(format!("http://{}", self.operations).parse()?))?;
        Ok(client.request_text(http::Request::get(path).body(Vec::new())?).await?)
    }

    /// A metric, summed over those of its series that have all these labels, as they are written: `path="/mutate"`.
    ///
    /// # Errors
    /// When `/metrics` is not answered.
    pub async fn metric(&self, name: &str, labels: &[&str]) -> Result<f64> {
        Ok(metrics::sum(&self.page("/metrics").await?, name, labels))
    }
}

impl Server for Webhook {
    fn address(&self) -> SocketAddr {
        self.admission
    }

    fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    async fn was_called(&self, path: &str) -> Result<bool> {
        let label = format!("path=\"{path}\"");
        Ok(self.metric("sallyport_admission_requests_total", &[&label]).await? > 0.0)
    }
}

/// The policies that the program would have in force, for asking the same code in this process.
///
/// # Panics
/// When something is wrong with them.
#[must_use]
pub fn load(policies: &[PathBuf]) -> sallyport::policies::Loaded {
    let (documents, errors) = sallyport::source::read(policies);
    let loaded = sallyport::policies::load(documents, &errors);
    let findings: Vec<String> = loaded.findings.iter().map(ToString::to_string).collect();
    assert!(!loaded.has_errors(), "{}", findings.join("\n"));
    loaded
}

/// The field at this JSON pointer; null where there is none.
#[must_use]
pub fn at<'v>(value: &'v Value, pointer: &str) -> &'v Value {
    value.pointer(pointer).unwrap_or(&Value::Null)
}
