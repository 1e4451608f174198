//! A Kubernetes control plane without nodes: etcd and kube-apiserver, with TLS, RBAC and the default admission
//! plugins. No controller runs, so nothing schedules pods, fills service accounts or collects garbage.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use kube::{Client, Config};
use serde_json::{Value, json};
use tokio::net::TcpSocket;
use tokio::sync::OnceCell;

use crate::objects::Objects;
use crate::pki;
use crate::process::Process;
use crate::programs;
use crate::run_dir::RunDir;

const START_TIMEOUT: Duration = Duration::from_secs(60);

/// A running control plane, ended on drop and, by the kernel, with this process.
pub struct ControlPlane {
    // In the order in which they end.
    apiserver: Process,
    etcd: Process,
    config: Config,
    ca_pem: String,
    url: String,
    kubeconfig: PathBuf,
    _port: TcpSocket,
    _dir: RunDir,
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
        let port = reserve_port()?;
        let url = format!("https://{}", port.local_addr()?);
        let config = admin(&url, dir.path())?;
        let kubeconfig = dir.path().join("kubeconfig");
        fs::write(&kubeconfig, kubeconfig_of(&url, dir.path()).to_string())?;

        let etcd = Process::start("etcd", &programs::find("etcd")?, &etcd_flags(), dir.path())?;
        let apiserver = Process::start(
            "kube-apiserver",
            &programs::find("kube-apiserver")?,
            &apiserver_flags(port.local_addr()?.port()),
            dir.path(),
        )?;
        let mut started = Self { apiserver, etcd, config, ca_pem, url, kubeconfig, _port: port, _dir: dir };
        started.wait_until_ready().await?;
        started.complete_namespace("default").await?;
        Ok(started)
    }

    /// A new client that may do everything. It belongs to the runtime that it is made in, which is the test's own.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn client(&self) -> Client {
        connect(self.config.clone())
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
        connect(config)
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

/// A port that stays ours from here on: bound but not listened on, and shared with the API server alone, which
/// joins it by `--permit-port-sharing`. The kernel gives such a port to nobody who asks for any.
fn reserve_port() -> Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseport(true)?;
    socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
    Ok(socket)
}

/// etcd's sockets are files in its working directory, named as its URLs' hosts: no ports, and short names.
const ETCD: &str = "unix://etcd:0";

fn etcd_flags() -> Vec<String> {
    let peer = "unix://etcd-peer:0";
    [
        "--name=etcd",
        "--data-dir=etcd-data",
        "--unsafe-no-fsync",
        "--log-level=warn",
        &format!("--listen-client-urls={ETCD}"),
        &format!("--advertise-client-urls={ETCD}"),
        &format!("--listen-peer-urls={peer}"),
        &format!("--initial-advertise-peer-urls={peer}"),
        &format!("--initial-cluster=etcd={peer}"),
    ]
    .map(str::to_owned)
    .to_vec()
}

fn apiserver_flags(port: u16) -> Vec<String> {
    use pki::file::{CA, SERVER, SERVER_KEY, SERVICE_ACCOUNT_KEY, SERVICE_ACCOUNT_PUBLIC_KEY};
    [
        &format!("--etcd-servers={ETCD}"),
        "--bind-address=127.0.0.1",
        // Both would be looked up, which fails on a machine without a network.
        "--advertise-address=127.0.0.1",
        "--external-hostname=localhost",
        &format!("--secure-port={port}"),
        "--permit-port-sharing",
        &format!("--tls-cert-file={SERVER}"),
        &format!("--tls-private-key-file={SERVER_KEY}"),
        &format!("--client-ca-file={CA}"),
        "--anonymous-auth=false",
        "--authorization-mode=RBAC",
        "--service-account-issuer=https://kubernetes.default.svc",
        &format!("--service-account-key-file={SERVICE_ACCOUNT_PUBLIC_KEY}"),
        &format!("--service-account-signing-key-file={SERVICE_ACCOUNT_KEY}"),
        "--service-cluster-ip-range=10.96.0.0/16",
        "--endpoint-reconciler-type=none",
    ]
    .map(str::to_owned)
    .to_vec()
}

fn admin(url: &str, dir: &Path) -> Result<Config> {
    let path = |name| dir.join(name).display().to_string();
    let mut config = Config::new(url.parse()?);
    config.root_cert_file = Some(dir.join(pki::file::CA));
    config.auth_info.client_certificate = Some(path(pki::file::ADMIN));
    config.auth_info.client_key = Some(path(pki::file::ADMIN_KEY));
    // A test wants the first answer.
    config.default_retry = false;
    Ok(config)
}

fn connect(config: Config) -> Client {
    Client::try_from(config).expect("a control plane's own certificates are good")
}

fn kubeconfig_of(url: &str, dir: &Path) -> Value {
    use pki::file::{ADMIN, ADMIN_KEY, CA};
    let name = "sallyport-tests";
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "contexts": [{ "name": name, "context": { "cluster": name, "user": name } }],
        "clusters": [{ "name": name, "cluster": { "server": url, "certificate-authority": dir.join(CA) } }],
        "users": [{ "name": name, "user": {
            "client-certificate": dir.join(ADMIN),
            "client-key": dir.join(ADMIN_KEY),
        } }],
    })
}
