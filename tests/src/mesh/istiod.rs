//! istiod.

use std::fs;
use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::{Proxy, ROOT, injector};
use crate::control_plane::ControlPlane;
use crate::eventually::eventually;
use crate::log::Log;
use crate::process::Process;
use crate::proxy::page;
use crate::run_dir::RunDir;
use crate::{examples, metrics, programs};

/// A running istiod, with Istio's resources in the control plane's API; ended on drop and, by the kernel, with this
/// process.
pub struct Mesh {
    _process: Process,
    log: Log,
    discovery: SocketAddr,
    webhooks: SocketAddr,
    pages: SocketAddr,
    _dir: RunDir,
}

/// What only Istio's own build of Envoy knows, istiod is not to send.
const ENVIRONMENT: [(&str, &str); 5] = [
    ("PILOT_ENABLE_METADATA_EXCHANGE", "false"),
    ("PILOT_ENABLE_ALPN_FILTER", "false"),
    ("REVISION", "default"),
    ("POD_NAMESPACE", ROOT),
    // What else it is called in its certificate: where proxies and the API server find it.
    ("ISTIOD_CUSTOM_HOST", "127.0.0.1"),
];

impl Mesh {
    /// Starts it, and waits until it serves proxies and the API server has it check Istio's resources: some five seconds.
    ///
    /// # Errors
    /// When it does not start: with what it said.
    pub async fn start(cluster: &ControlPlane) -> Result<Self> {
        define(cluster).await?;
        let dir = RunDir::create()?;
        // No provider of metrics: that too would be a filter of Istio's own build.
        fs::write(dir.path().join("mesh"), json!({ "defaultProviders": {} }).to_string())?;
        injector::write(dir.path())?;
        let any = "127.0.0.1:0";
        let kubeconfig = cluster.kubeconfig().display().to_string();
        let args = [
            ["--kubeconfig", &kubeconfig],
            ["--meshConfig", "mesh"],
            ["--secureGRPCAddr", any],
            ["--httpsAddr", any],
            ["--httpAddr", any],
            // What these two would serve is served there.
            ["--grpcAddr", ""],
            ["--monitoringAddr", ""],
            ["--ctrlz_port", "0"],
            ["--log_target", "stderr"],
        ];
        let mut args: Vec<String> = args.as_flattened().iter().map(ToString::to_string).collect();
        args.insert(0, "discovery".to_owned());
        args.push("--log_as_json".to_owned());
        let environment = ENVIRONMENT.map(|(name, value)| (name.to_owned(), value));
        let program = programs::find("istiod")?;
        let (process, errors) = Process::start_heard("istiod", &program, &args, &environment, dir.path())?;
        let log = Log::of(errors);
        let discovery = address(&log, "starting secure gRPC discovery service at ").await?;
        let webhooks = address(&log, "starting webhook service at ").await?;
        // The last of all: it has read what the API server has.
        let pages = address(&log, "starting HTTP service at ").await?;
        let mesh = Self { _process: process, log, discovery, webhooks, pages, _dir: dir };
        mesh.check_resources(cluster).await?;
        Ok(mesh)
    }

    /// What it has said.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Where proxies find it.
    pub(super) fn discovery(&self) -> SocketAddr {
        self.discovery
    }

    /// Where the API server finds it.
    pub(super) fn webhooks(&self) -> SocketAddr {
        self.webhooks
    }

    /// A page of its own about itself: `/debug/configz`.
    ///
    /// # Errors
    /// When it is not answered 200.
    pub async fn page(&self, path: &str) -> Result<String> {
        page(self.pages, path).await
    }

    /// A metric, summed over those of its series that have all these labels: `type="ecds"`.
    ///
    /// # Errors
    /// When `/metrics` is not answered.
    pub async fn metric(&self, name: &str, labels: &[&str]) -> Result<f64> {
        Ok(metrics::sum(&self.page("/metrics").await?, name, labels))
    }

    /// What it has sent to a proxy, by the type's URL: `{"sent", "acked", "lastError"}`, `sent` and `acked` being equal
    /// where the proxy took it, and `lastError` being there where it refused it.
    ///
    /// # Errors
    /// When it knows no such proxy.
    pub async fn sent(&self, proxy: &Proxy) -> Result<Value> {
        let all: Vec<Value> = serde_json::from_str(&self.page("/debug/syncz").await?)?;
        let mut its = all.into_iter().filter(|status| status["proxy"] == proxy.name());
        let status = its.next().with_context(|| format!("istiod knows no proxy {}", proxy.name()))?;
        Ok(status["resources"].clone())
    }

    /// What the proxy refused last of each type, and not taken since: empty where it has all that it was sent.
    ///
    /// # Errors
    /// As for [`sent`](Self::sent).
    pub async fn refused(&self, proxy: &Proxy) -> Result<Vec<String>> {
        let sent = self.sent(proxy).await?;
        let errors = sent.as_object().into_iter().flatten().filter_map(|(_, it)| it["lastError"].as_str());
        Ok(errors.map(str::to_owned).collect())
    }

    /// Returns once the proxy has taken all that it was sent by then. What was applied a moment ago may still be to come.
    ///
    /// # Errors
    /// When it refuses some of it, or takes a minute.
    pub async fn synced(&self, proxy: &Proxy) -> Result<()> {
        let synced = eventually("the proxy has what it was sent", async || {
            let sent = self.sent(proxy).await.ok()?;
            let mut types = sent.as_object()?.values().filter(|it| it["sent"].is_string());
            types.all(|it| it["sent"] == it["acked"] && it["lastError"].is_null()).then_some(())
        });
        let synced = synced.await;
        if synced.is_err() {
            let sent = self.sent(proxy).await?;
            return synced.with_context(|| sent.to_string());
        }
        synced
    }

    /// Has the API server ask it about Istio's resources, as its chart does, and waits until it has seen that it is.
    async fn check_resources(&self, cluster: &ControlPlane) -> Result<()> {
        let groups = ["security", "networking", "telemetry", "extensions"].map(|it| format!("{it}.istio.io"));
        let configuration = json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {
                "name": format!("istio-validator-{ROOT}"),
                "labels": { "app": "istiod", "istio": "istiod", "istio.io/rev": "default" },
            },
            "webhooks": [{
                "name": "rev.validation.istio.io",
                "clientConfig": { "url": format!("https://{}/validate", self.webhooks) },
                "rules": [{
                    "operations": ["CREATE", "UPDATE"],
                    "apiGroups": groups,
                    "apiVersions": ["*"],
                    "resources": ["*"],
                }],
                // istiod makes it Fail, once it was asked about something that is wrong.
                "failurePolicy": "Ignore",
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
            }],
        });
        let objects = cluster.objects();
        objects.create(&configuration).await?;
        eventually("istiod is asked about Istio's resources", async || {
            let found = objects.get(&configuration).await.ok()?;
            (found["webhooks"][0]["failurePolicy"] == "Fail").then_some(())
        })
        .await
        .with_context(|| self.log.text())
    }
}

/// Makes Istio's resources known, and the namespace of istiod.
///
/// # Errors
/// When the API server refuses one, or takes a minute.
pub async fn define(cluster: &ControlPlane) -> Result<()> {
    let objects = cluster.objects();
    let charts = programs::source("istio")?.join("manifests/charts");
    let definitions = examples::read(&charts.join("base/files/crd-all.gen.yaml"))?;
    for definition in &definitions {
        objects.apply(definition).await?;
    }
    for definition in &definitions {
        eventually("a definition is established", async || {
            let found = objects.get(definition).await.ok()?;
            let mut conditions = found["status"]["conditions"].as_array()?.iter();
            conditions.any(|it| it["type"] == "Established" && it["status"] == "True").then_some(())
        })
        .await?;
    }
    objects.apply(&json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": ROOT } })).await?;
    Ok(())
}

/// The address at the end of the line that starts so.
async fn address(log: &Log, start: &str) -> Result<SocketAddr> {
    log.find(|line| line["msg"].as_str()?.strip_prefix(start)?.parse().ok()).await
}
