//! Kyverno's admission controller, outside of its cluster.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sallyport_tests::control_plane::ControlPlane;
use sallyport_tests::objects::Objects;
use sallyport_tests::process::Process;
use sallyport_tests::programs;
use sallyport_tests::run_dir::RunDir;
use serde_json::{Value, json};

use super::sallyport::workloads;
use super::{Running, START_TIMEOUT, free_port};
use crate::load::Target;
use crate::review::Reviews;

const CLUSTER: &str = include_str!("../../../../data/webhook/kyverno-cluster.yaml");
const POLICIES: &str = include_str!("../../../../data/webhook/kyverno.yaml");

const NAMESPACE: &str = "kyverno";
const CONTROLLER: &str = "kyverno-admission-controller";
const CA_SECRET: &str = "kyverno-svc.kyverno.svc.kyverno-tls-ca";
const PAIR_SECRET: &str = "kyverno-svc.kyverno.svc.kyverno-tls-pair";

/// Starts it with policies that are equivalent to Sallyport's, and without reports and events: what it would write of
/// its decisions to the API server is not what is compared.
pub(crate) async fn start(cluster: &ControlPlane, reviews: &Reviews) -> Result<Running> {
    let objects = cluster.objects();
    objects
        .apply(&json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": NAMESPACE } }))
        .await?;
    objects.apply_yaml(CLUSTER).await?;
    let mut definitions = Vec::new();
    for file in yaml_files(&programs::definitions("kyverno")?)? {
        let text = fs::read_to_string(&file)?;
        let applied = objects.apply_yaml(&text).await.with_context(|| file.display().to_string())?;
        definitions.extend(applied);
    }
    for definition in &definitions {
        until_served(&objects, definition).await?;
    }
    objects.apply_yaml(POLICIES).await?;

    let (dir, address) = (RunDir::create()?, free_port()?);
    let arguments = [
        &format!("KYVERNO_NAMESPACE={NAMESPACE}"),
        "KYVERNO_POD_NAME=kyverno-0",
        &format!("KYVERNO_SERVICEACCOUNT_NAME={CONTROLLER}"),
        &format!("KYVERNO_DEPLOYMENT={CONTROLLER}"),
        "KYVERNO_SVC=kyverno-svc",
        "INIT_CONFIG=kyverno",
        "METRICS_CONFIG=kyverno-metrics",
        &programs::find("kyverno")?.display().to_string(),
        &format!("-kubeconfig={}", cluster.kubeconfig().display()),
        &format!("-serverIP={address}"),
        &format!("-webhookServerPort={}", address.port()),
        "-webhookServerHost=127.0.0.1",
        "-metricsHost=127.0.0.1",
        &format!("-metricsPort={}", free_port()?.port()),
        "-controllerRuntimeMetricsAddress=0",
        &format!("-caSecretName={CA_SECRET}"),
        &format!("-tlsSecretName={PAIR_SECRET}"),
        "-enableReporting=none",
        "-admissionReports=false",
        "-omitEvents=PolicyViolation,PolicyApplied,PolicyError,PolicySkipped",
        "-backgroundServiceAccountName=system:serviceaccount:kyverno:kyverno-background-controller",
        "-reportsServiceAccountName=system:serviceaccount:kyverno:kyverno-reports-controller",
    ]
    .map(str::to_owned);
    // env becomes the program, and keeps its process id.
    let mut process = Process::start("kyverno", Path::new("/usr/bin/env"), &arguments, dir.path())?;
    let ca_pem = authority(&objects, &mut process).await?;
    let target = Target { address, ca_pem };
    let workloads = workloads(reviews, "/mutate/fail", "/validate/fail");
    Running { name: "kyverno".to_owned(), target, workloads, process, _dir: dir }.ready().await
}

/// The files of a folder and the folders in it.
fn yaml_files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).with_context(|| dir.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(yaml_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Waits until the API server serves a kind.
async fn until_served(objects: &Objects, definition: &Value) -> Result<()> {
    let start = Instant::now();
    loop {
        let now = objects.get(definition).await?;
        let conditions = now["status"]["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
        if conditions.iter().any(|c| c["type"] == "Established" && c["status"] == "True") {
            return Ok(());
        }
        if start.elapsed() > START_TIMEOUT {
            bail!("{} is not served after {START_TIMEOUT:?}: {now}", definition["metadata"]["name"]);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The authority that it makes for itself, once it has.
async fn authority(objects: &Objects, process: &mut Process) -> Result<String> {
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": { "name": CA_SECRET, "namespace": NAMESPACE },
    });
    let start = Instant::now();
    loop {
        if let Ok(secret) = objects.get(&secret).await
            && let Some(pem) = secret["data"]["tls.crt"].as_str()
        {
            return Ok(String::from_utf8(BASE64.decode(pem)?)?);
        }
        if let Some(status) = process.ended()? {
            bail!("kyverno has ended: {status}; {}", process.log_tail());
        }
        if start.elapsed() > START_TIMEOUT {
            bail!("kyverno has no authority after {START_TIMEOUT:?}; {}", process.log_tail());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
