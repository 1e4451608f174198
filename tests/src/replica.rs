//! `sallyport serve` in a cluster: a replica of it, and what stands before several.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use kube::{Client, Config};
use serde_json::{Value, json};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::control_plane::ControlPlane;
use crate::eventually::eventually;
use crate::examples;
use crate::log::Log;
use crate::process::Process;
use crate::run_dir::RunDir;

/// The namespace that Sallyport runs in.
pub const NAMESPACE: &str = "sallyport";
/// Whom the API server takes it for.
pub const ACCOUNT: &str = "system:serviceaccount:sallyport:sallyport";

/// A replica in a process of its own, with the rights of its service account; ended when dropped, by its id.
pub struct Replica {
    process: Process,
    log: Log,
    admission: SocketAddr,
    operations: SocketAddr,
    filter: Option<SocketAddr>,
    _dir: RunDir,
}

impl Replica {
    /// Starts the program, and waits until it listens. `url` is where the API server is to find it, and `flags` are
    /// further ones.
    ///
    /// # Errors
    /// When it does not start: with what it said.
    pub async fn start(
        cluster: &ControlPlane,
        program: &Path,
        name: &str,
        url: &str,
        flags: &[&str],
    ) -> Result<Self> {
        let dir = RunDir::create()?;
        let kubeconfig = dir.path().join("kubeconfig");
        std::fs::write(&kubeconfig, cluster.kubeconfig_as(ACCOUNT))?;
        let kubeconfig = kubeconfig.display().to_string();
        let any = "127.0.0.1:0";
        let own = [
            "serve",
            "--log-format",
            "json",
            "--listen",
            any,
            "--operations",
            any,
            "--filter-listen",
            any,
            "--kubeconfig",
            &kubeconfig,
            "--namespace",
            NAMESPACE,
            "--url",
            url,
            "--identity",
            name,
        ];
        let args: Vec<String> = own.iter().chain(flags).map(ToString::to_string).collect();
        let (process, errors) = Process::start_heard::<&str>("sallyport", program, &args, &[], dir.path())?;
        let log = Log::of(errors);
        let line = log.says("listening").await?;
        let address = |port: &str| -> Result<SocketAddr> {
            Ok(line[port].as_str().context("the log names no address")?.parse()?)
        };
        let (admission, operations, filter) =
            (address("webhook")?, address("operations")?, address("filter").ok());
        Ok(Self { process, log, admission, operations, filter, _dir: dir })
    }

    /// What it has said.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The body of a page of its plain port: `/readyz`.
    ///
    /// # Errors
    /// When it is not answered 200.
    pub async fn page(&self, path: &str) -> Result<String> {
        page(self.operations, path).await
    }

    /// Asks it to end, as the kubelet does.
    ///
    /// # Errors
    /// When it has ended already.
    pub fn ask_to_end(&self) -> Result<()> {
        self.process.ask_to_end()
    }

    /// How many bytes of memory it has that are its own now.
    ///
    /// # Errors
    /// When it has ended.
    pub fn resident_bytes(&self) -> Result<u64> {
        self.process.resident_bytes()
    }

    /// Ends it at once: SIGKILL.
    ///
    /// # Errors
    /// When the system does not let us.
    pub fn kill(&mut self) -> Result<()> {
        Ok(self.process.kill()?)
    }

    /// How it ended, once it has.
    ///
    /// # Errors
    /// When it goes on for a minute.
    pub async fn ended(&mut self) -> Result<ExitStatus> {
        self.log.ends().await?;
        Ok(self.process.wait()?)
    }
}

async fn page(operations: SocketAddr, path: &str) -> Result<String> {
    let mut config = Config::new(format!("http://{operations}").parse()?);
    // A probe wants the first answer.
    config.default_retry = false;
    let client = Client::try_from(config)?;
    Ok(client.request_text(http::Request::get(path).body(Vec::new())?).await?)
}

/// What a Service and its readiness probes are in a cluster: new connections go to a replica that is ready.
pub struct Service {
    port: Port,
    url: String,
    replicas: watch::Sender<Vec<(SocketAddr, SocketAddr)>>,
    tasks: Vec<JoinHandle<()>>,
}

/// What it is a Service for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// The webhook.
    Webhook,
    /// The filter that proxies get.
    Filter,
}

/// How often a replica is asked whether it is ready.
const PROBE: Duration = Duration::from_millis(100);

impl Service {
    /// One without replicas.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start() -> Result<Self> {
        Self::start_for(Port::Webhook).await
    }

    /// One for this port of replicas, without replicas.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start_for(port: Port) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let scheme = match port {
            Port::Webhook => "https",
            Port::Filter => "http",
        };
        let url = format!("{scheme}://{}", listener.local_addr()?);
        let (replicas, known) = watch::channel(Vec::new());
        let (ready, chosen) = watch::channel(Vec::new());
        let probing = tokio::spawn(probe(known, ready));
        let serving = tokio::spawn(forward(listener, chosen));
        Ok(Self { port, url, replicas, tasks: vec![probing, serving] })
    }

    /// Where the API server finds it.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The replicas from now on.
    pub fn has(&self, replicas: &[&Replica]) {
        let addresses = replicas.iter().filter_map(|replica| {
            let address = match self.port {
                Port::Webhook => Some(replica.admission),
                Port::Filter => replica.filter,
            };
            Some((address?, replica.operations))
        });
        self.replicas.send_replace(addresses.collect());
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn probe(known: watch::Receiver<Vec<(SocketAddr, SocketAddr)>>, ready: watch::Sender<Vec<SocketAddr>>) {
    loop {
        let replicas = known.borrow().clone();
        let mut answering = Vec::new();
        for (admission, operations) in replicas {
            if page(operations, "/readyz").await.is_ok() {
                answering.push(admission);
            }
        }
        ready.send_replace(answering);
        tokio::time::sleep(PROBE).await;
    }
}

async fn forward(listener: TcpListener, ready: watch::Receiver<Vec<SocketAddr>>) {
    let turn = Arc::new(AtomicUsize::new(0));
    while let Ok((mut client, _)) = listener.accept().await {
        let (ready, turn) = (ready.clone(), Arc::clone(&turn));
        tokio::spawn(async move {
            let replicas = ready.borrow().clone();
            let Some(first) = (!replicas.is_empty()).then(|| turn.fetch_add(1, Ordering::Relaxed)) else {
                return;
            };
            let chosen = replicas[first % replicas.len()];
            if let Ok(mut replica) = TcpStream::connect(chosen).await {
                // Either end may close it.
                let _ = copy_bidirectional(&mut client, &mut replica).await;
            }
        });
    }
}

/// Installs what Sallyport needs of a cluster: its resources, its namespace and its rights.
///
/// # Errors
/// When the API server refuses something of it, or takes a minute.
pub async fn install(cluster: &ControlPlane) -> Result<()> {
    let objects = cluster.objects();
    for (_, definition) in sallyport::crds::all() {
        objects.apply(&definition).await?;
    }
    objects
        .apply(&json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": NAMESPACE } }))
        .await?;
    for right in rights()? {
        objects.apply(&right).await?;
    }
    // A kind is served a moment after its definition is established.
    for (_, definition) in sallyport::crds::all() {
        eventually("a definition is established", async || {
            let found = objects.get(&definition).await.ok()?;
            let conditions = found["status"]["conditions"].as_array()?.clone();
            conditions.iter().any(|it| it["type"] == "Established" && it["status"] == "True").then_some(())
        })
        .await?;
    }
    Ok(())
}

/// Sallyport's rights, as its manifests give them.
///
/// # Errors
/// When the file can't be read.
pub fn rights() -> Result<Vec<Value>> {
    examples::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests/base/rbac.yaml"))
}

/// A condition of a resource's status, once it is about the resource as it stands.
///
/// # Errors
/// When that takes a minute.
pub async fn condition(cluster: &ControlPlane, resource: &Value, kind: &str) -> Result<Value> {
    eventually("the status is about the resource as it stands", async || {
        let found = cluster.objects().get(resource).await.ok()?;
        let generation = &found["metadata"]["generation"];
        let mut conditions = found["status"]["conditions"].as_array()?.iter();
        let condition = conditions.find(|condition| condition["type"] == kind)?;
        (condition["observedGeneration"] == *generation).then(|| condition.clone())
    })
    .await
}
