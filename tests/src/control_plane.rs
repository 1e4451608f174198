//! A Kubernetes control plane without nodes: etcd and kube-apiserver, with TLS, RBAC and the default
//! admission plugins. Unless a test asks for them no controller runs, so nothing makes pods, fills namespaces or collects
//! garbage; nothing schedules pods.

use std::collections::BTreeSet;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use kube::{Client, Config};
use serde_json::{Value, json};
use tokio::net::TcpSocket;
use tokio::sync::OnceCell;

use crate::audit::Deed;
use crate::objects::Objects;
use crate::process::Process;
use crate::programs;
use crate::run_dir::RunDir;
use crate::{access, audit, flags, pki};

const START_TIMEOUT: Duration = Duration::from_secs(60);

/// A running control plane, ended on drop and, by the kernel, with this process.
pub struct ControlPlane {
    // In the order in which they end.
    _controllers: Option<Process>,
    apiserver: Process,
    etcd: Process,
    config: Config,
    ca_pem: String,
    url: String,
    kubeconfig: PathBuf,
    port: TcpSocket,
    dir: RunDir,
}

impl ControlPlane {
    /// The one that all tests of this process share, started by whoever asks first.
    ///
    /// # Panics
    /// When it does not start; the message says why.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<Result<ControlPlane, String>> = OnceCell::const_new();
        let shared =
            SHARED.get_or_init(|| async { Self::start().await.map_err(|error| format!("{error:#}")) });
        match shared.await {
            Ok(control_plane) => control_plane,
            Err(error) => panic!("the control plane does not start: {error}"),
        }
    }

    /// Starts one for the caller alone and waits until it is ready, which takes some three seconds.
    ///
    /// # Errors
    /// When a program is missing, or ends before it is ready: then with the end of its output.
    pub async fn start() -> Result<Self> {
        let dir = RunDir::create()?;
        let ca_pem = pki::write(dir.path())?;
        audit::write_policy(dir.path())?;
        let port = reserve_port()?;
        let url = format!("https://{}", port.local_addr()?);
        let config = access::admin(&url, dir.path())?;
        let kubeconfig = dir.path().join("kubeconfig");
        fs::write(&kubeconfig, access::kubeconfig(&url, dir.path(), None).to_string())?;

        let etcd = start_etcd(&dir)?;
        let apiserver = start_apiserver(&dir, &port)?;
        let mut started =
            Self { _controllers: None, apiserver, etcd, config, ca_pem, url, kubeconfig, port, dir };
        started.wait_until_ready().await?;
        started.complete_namespace("default").await?;
        Ok(started)
    }

    /// The same, with kube-controller-manager and all controllers in it: those that make ReplicaSets, Jobs and pods, count
    /// what quotas bound, and empty namespaces that are deleted.
    ///
    /// # Errors
    /// As for [`start`](Self::start).
    pub async fn start_with_controllers() -> Result<Self> {
        let mut started = Self::start().await?;
        let program = programs::find("kube-controller-manager")?;
        let args = flags::controller_manager(&started.kubeconfig);
        let controllers = Process::start("kube-controller-manager", &program, &args, started.dir.path())?;
        started._controllers = Some(controllers);
        Ok(started)
    }

    /// Ends the API server at once, and starts another in its place.
    ///
    /// # Errors
    /// As for [`start`](Self::start).
    pub async fn restart_apiserver(&mut self) -> Result<()> {
        self.apiserver.kill()?;
        self.apiserver = start_apiserver(&self.dir, &self.port)?;
        self.wait_until_ready().await
    }

    /// Ends etcd at once, and starts another over the same data.
    ///
    /// # Errors
    /// As for [`start`](Self::start).
    pub async fn restart_etcd(&mut self) -> Result<()> {
        self.etcd.kill()?;
        self.etcd = start_etcd(&self.dir)?;
        self.wait_until_ready().await
    }

    /// A new client that may do everything. It belongs to the runtime that it is made in: each test has its own.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn client(&self) -> Client {
        access::connect(self.config.clone())
    }

    /// A new client that the API server takes for this user in these groups and in `system:authenticated`.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn client_as(&self, user: &str, groups: &[&str]) -> Client {
        let mut config = self.config.clone();
        config.auth_info.impersonate = Some(user.to_owned());
        config.auth_info.impersonate_groups = Some(groups.iter().map(ToString::to_string).collect());
        access::connect(config)
    }

    /// Sends untyped objects through a new [`client`](Self::client).
    #[must_use]
    pub fn objects(&self) -> Objects {
        Objects::new(self.client())
    }

    /// A kubeconfig file of the administrator's, for programs.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// A kubeconfig of one whom the API server takes for this user.
    #[must_use]
    pub fn kubeconfig_as(&self, user: &str) -> String {
        access::kubeconfig(&self.url, self.dir.path(), Some(user)).to_string()
    }

    /// The authority that signed the API server's certificate and signs clients' ones, in PEM.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// Where the API server listens: `https://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What the API server's audit log says of the calls about the pod of this name, the oldest first.
    ///
    /// # Errors
    /// When the log can't be read.
    pub fn audited(&self, pod: &str) -> Result<Vec<Value>> {
        audit::events_of(self.dir.path(), pod)
    }

    /// What one whom the API server takes for this user did.
    ///
    /// # Errors
    /// When the audit log can't be read.
    pub fn used(&self, user: &str) -> Result<BTreeSet<Deed>> {
        audit::deeds(self.dir.path(), user, true)
    }

    /// And what he was not let do.
    ///
    /// # Errors
    /// When the audit log can't be read.
    pub fn refused(&self, user: &str) -> Result<BTreeSet<Deed>> {
        audit::deeds(self.dir.path(), user, false)
    }

    /// The process ids of etcd and kube-apiserver.
    #[must_use]
    pub fn process_ids(&self) -> [u32; 2] {
        [self.etcd.id(), self.apiserver.id()]
    }

    /// Makes a namespace of a new name with these labels, ready for pods. Returns its name.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn namespace(&self, labels: &[(&str, &str)]) -> Result<String> {
        let labels: Value = labels.iter().map(|(key, value)| (key.to_string(), json!(value))).collect();
        let metadata = json!({ "generateName": "test-", "labels": labels });
        let created = self
            .objects()
            .create(&json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": metadata }))
            .await?;
        let name = created["metadata"]["name"].as_str().context("a namespace came back without a name")?;
        self.complete_namespace(name).await?;
        Ok(name.to_owned())
    }

    /// Does what a controller would: without its service account, a namespace takes no pods.
    async fn complete_namespace(&self, name: &str) -> Result<()> {
        let metadata = json!({ "name": "default", "namespace": name });
        let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata });
        self.objects().apply(&account).await.with_context(|| format!("cannot complete namespace {name}"))?;
        Ok(())
    }

    async fn wait_until_ready(&mut self) -> Result<()> {
        let start = Instant::now();
        let client = self.client();
        loop {
            let request = http::Request::get("/readyz").body(Vec::new())?;
            let Err(error) = client.request_text(request).await else { return Ok(()) };
            for process in [&mut self.etcd, &mut self.apiserver] {
                if let Some(status) = process.ended()? {
                    bail!("{status}; {}", process.log_tail());
                }
            }
            if start.elapsed() > START_TIMEOUT {
                bail!("not ready after {START_TIMEOUT:?}: {error}; {}", self.apiserver.log_tail());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn start_etcd(dir: &RunDir) -> Result<Process> {
    Process::start("etcd", &programs::find("etcd")?, &flags::etcd(), dir.path())
}

fn start_apiserver(dir: &RunDir, port: &TcpSocket) -> Result<Process> {
    let args = flags::apiserver(port.local_addr()?.port());
    Process::start("kube-apiserver", &programs::find("kube-apiserver")?, &args, dir.path())
}

/// A port that stays ours from here on: bound but not listened on, and shared with the API server, which
/// joins it by `--permit-port-sharing`. The kernel gives such a port to nobody who asks for any port.
fn reserve_port() -> Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseport(true)?;
    socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
    Ok(socket)
}
