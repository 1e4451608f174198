//! A proxy of the mesh.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use http::Request;
use serde_json::{Value, json};

use super::place::Place;
use super::{Mesh, routes};
use crate::control_plane::ControlPlane;
use crate::eventually::eventually;
use crate::process::Process;
use crate::proxy::page;
use crate::run_dir::RunDir;
use crate::{metrics, programs};

const START_TIMEOUT: Duration = Duration::from_secs(60);

/// An Envoy and the agent that feeds it, as a pod runs them; ended on drop and, by the kernel, with this process.
pub struct Proxy {
    process: Process,
    name: String,
    pod: Value,
    place: Place,
    _dir: RunDir,
}

impl Proxy {
    /// Runs a gateway in this pod, which the API server has, and does for it what a kubelet would: reports its address,
    /// and gives it a token and what is mounted. Waits until the proxy has a first configuration.
    ///
    /// # Errors
    /// When it does not start: with the end of its output.
    pub async fn gateway(cluster: &ControlPlane, mesh: &Mesh, pod: &Value) -> Result<Self> {
        let place = Place::claim()?;
        Self::start(cluster, mesh, "router", &[], pod, place).await
    }

    /// Runs the sidecar of this pod: a `Sidecar` resource, which it applies, has it take requests at its
    /// [`address`](Self::address), and hand them to this application.
    ///
    /// # Errors
    /// As for [`gateway`](Self::gateway).
    pub async fn sidecar(
        cluster: &ControlPlane,
        mesh: &Mesh,
        pod: &Value,
        application: SocketAddr,
    ) -> Result<Self> {
        let place = Place::claim()?;
        cluster.objects().apply(&routes::inbound(pod, place.requests(), application)).await?;
        let environment = [("ISTIO_META_INTERCEPTION_MODE", "NONE")];
        Self::start(cluster, mesh, "sidecar", &environment, pod, place).await
    }

    async fn start(
        cluster: &ControlPlane,
        mesh: &Mesh,
        kind: &str,
        environment: &[(&str, &str)],
        pod: &Value,
        place: Place,
    ) -> Result<Self> {
        let dir = RunDir::create()?;
        let pod = report(cluster, pod, &place).await?;
        mount(cluster, &pod, dir.path()).await?;
        let mut all = variables(mesh, &pod, &place)?;
        all.extend(environment.iter().map(|(name, value)| (name.to_string(), value.to_string())));
        let process = run(kind, &all, dir.path())?;
        let [namespace, name] =
            ["namespace", "name"].map(|it| pod["metadata"][it].as_str().unwrap_or_default());
        let name = format!("{name}.{namespace}");
        let mut started = Self { process, name, pod, place, _dir: dir };
        started.wait_until_ready().await?;
        Ok(started)
    }

    /// What istiod calls it: `POD.NAMESPACE`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its pod, as the API server has it.
    #[must_use]
    pub fn pod(&self) -> &Value {
        &self.pod
    }

    /// Where its pod takes requests: a gateway listens there once a `Gateway` says so.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.place.requests()
    }

    /// A page of Envoy's admin interface: `/config_dump`.
    ///
    /// # Errors
    /// When it is not answered 200.
    pub async fn admin(&self, path: &str) -> Result<String> {
        page(self.place.admin(), path).await
    }

    /// One of Envoy's metrics, as Prometheus sees it: summed over those of its series that have all these labels.
    ///
    /// # Errors
    /// When the admin interface does not answer.
    pub async fn metric(&self, name: &str, labels: &[&str]) -> Result<f64> {
        Ok(metrics::sum(&self.admin("/stats/prometheus").await?, name, labels))
    }

    /// One of the agent's metrics: `istio_agent_wasm_config_conversion_count`.
    ///
    /// # Errors
    /// When the agent does not answer.
    pub async fn agent_metric(&self, name: &str, labels: &[&str]) -> Result<f64> {
        Ok(metrics::sum(&page(self.place.agent(), "/stats/prometheus").await?, name, labels))
    }

    /// All that the agent and Envoy have said.
    #[must_use]
    pub fn output(&self) -> String {
        self.process.output()
    }

    async fn wait_until_ready(&mut self) -> Result<()> {
        let start = Instant::now();
        while let Err(error) = self.admin("/ready").await {
            if let Some(status) = self.process.ended()? {
                bail!("{status}; {}", self.process.log_tail());
            }
            if start.elapsed() > START_TIMEOUT {
                bail!("not ready after {START_TIMEOUT:?}: {error:#}; {}", self.process.log_tail());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }
}

/// Tells the API server where the pod is and that it runs. Returns the pod.
async fn report(cluster: &ControlPlane, pod: &Value, place: &Place) -> Result<Value> {
    let objects = cluster.objects();
    let mut pod = objects.get(pod).await?;
    let ip = place.ip().to_string();
    pod["status"] = json!({
        "phase": "Running",
        "podIP": ip,
        "podIPs": [{ "ip": ip }],
        "conditions": [{ "type": "Ready", "status": "True" }],
    });
    Ok(objects.replace(&pod, Some("status")).await?)
}

/// The root certificate and the token, where the agent looks for them from its working directory, and a `/var/lib`.
async fn mount(cluster: &ControlPlane, pod: &Value, dir: &Path) -> Result<()> {
    let secrets = dir.join("var/run/secrets");
    let root = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": { "name": "istio-ca-root-cert", "namespace": pod["metadata"]["namespace"] },
    });
    let objects = cluster.objects();
    let root = eventually("istiod has written its root certificate", async || {
        objects.get(&root).await.ok()?["data"]["root-cert.pem"].as_str().map(str::to_owned)
    })
    .await?;
    for (folder, file, content) in
        [("istio", "root-cert.pem", root), ("tokens", "istio-token", token(cluster, pod).await?)]
    {
        fs::create_dir_all(secrets.join(folder))?;
        fs::write(secrets.join(folder).join(file), content)?;
    }
    fs::create_dir_all(dir.join("lib/istio/data"))?;
    Ok(())
}

/// A token of the pod's service account, by which istiod knows it.
async fn token(cluster: &ControlPlane, pod: &Value) -> Result<String> {
    let metadata = &pod["metadata"];
    let namespace = metadata["namespace"].as_str().context("a pod without a namespace")?;
    let account = pod["spec"]["serviceAccountName"].as_str().context("a pod without an account")?;
    let request = json!({
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {
            "audiences": ["istio-ca"],
            "boundObjectRef": { "apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"] },
        },
    });
    let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token");
    let request =
        Request::post(path).header("content-type", "application/json").body(request.to_string().into())?;
    let answer: Value = cluster.client().request(request).await?;
    Ok(answer["status"]["token"].as_str().context("no token was given")?.to_owned())
}

/// What the agent is told, as the injector's template tells it.
fn variables(mesh: &Mesh, pod: &Value, place: &Place) -> Result<Vec<(String, String)>> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let [probes, envoy_metrics] = place.probes_and_metrics().map(|port| port.to_string());
    let config = json!({
        "binaryPath": programs::find("envoy")?,
        "discoveryAddress": mesh.discovery().to_string(),
        "concurrency": 1,
        "proxyAdminPort": place.admin().port(),
        "statusPort": place.agent().port(),
        "proxyStatsMatcher": { "inclusionRegexps": [".*"] },
    });
    let variables = [
        ("POD_NAME", text(&pod["metadata"]["name"])),
        ("POD_NAMESPACE", text(&pod["metadata"]["namespace"])),
        ("SERVICE_ACCOUNT", text(&pod["spec"]["serviceAccountName"])),
        ("INSTANCE_IP", place.ip().to_string()),
        ("ISTIO_META_CLUSTER_ID", "Kubernetes".to_owned()),
        ("ISTIO_METAJSON_LABELS", pod["metadata"]["labels"].to_string()),
        // Only Istio's own build of Envoy has what this would put into its configuration.
        ("PEER_METADATA_DISCOVERY", "false".to_owned()),
        ("ENVOY_STATUS_PORT", probes),
        ("ENVOY_PROMETHEUS_PORT", envoy_metrics),
        ("PROXY_CONFIG", config.to_string()),
    ];
    Ok(variables.map(|(name, value)| (name.to_owned(), value)).to_vec())
}

fn run(kind: &str, environment: &[(String, String)], dir: &Path) -> Result<Process> {
    let template = programs::source("istio")?.join("tools/packaging/common/envoy_bootstrap.json");
    // The agent keeps modules in /var/lib/istio, a path fixed in its code: it gets a /var/lib of its own. And as the first
    // process of its own it takes Envoy with it however it ends.
    let args = [
        "--map-root-user",
        "--mount",
        "--pid",
        "--fork",
        "--kill-child",
        "sh",
        "-c",
        "mount --bind lib /var/lib && exec \"$@\"",
        "sh",
        &programs::find("pilot-agent")?.display().to_string(),
        "proxy",
        kind,
        "--templateFile",
        &template.display().to_string(),
        "--proxyLogLevel",
        "warning,wasm:info,config:info",
    ];
    let args: Vec<String> = args.iter().map(ToString::to_string).collect();
    Process::start_with("pilot-agent", Path::new("unshare"), &args, environment, dir)
}
