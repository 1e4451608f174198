//! pod-security-admission's own webhook: what the API server has built in, as a server of its own.

use std::fs;

use anyhow::Result;
use sallyport_tests::control_plane::ControlPlane;
use sallyport_tests::process::Process;
use sallyport_tests::programs;
use sallyport_tests::run_dir::RunDir;

use super::{Certificate, Running, Workload, free_port};
use crate::load::Target;
use crate::review::{Reviews, Want};

const CONFIGURATION: &str = include_str!("../../../../data/webhook/pod-security.yaml");

/// Starts it with the level restricted for every namespace.
pub(crate) async fn start(cluster: &ControlPlane, reviews: &Reviews) -> Result<Running> {
    let dir = RunDir::create()?;
    let certificate = Certificate::write(dir.path(), ["--tls-cert-file", "--tls-private-key-file"])?;
    let configuration = dir.path().join("configuration.yaml");
    fs::write(&configuration, CONFIGURATION)?;
    let address = free_port()?;
    let mut arguments = vec![
        format!("--config={}", configuration.display()),
        format!("--kubeconfig={}", cluster.kubeconfig().display()),
        format!("--bind-address={}", address.ip()),
        format!("--secure-port={}", address.port()),
    ];
    arguments.extend(certificate.arguments);
    let process = Process::start("psa-webhook", &programs::find("psa-webhook")?, &arguments, dir.path())?;
    let workloads = vec![
        Workload::new("validate", [reviews.hardened("/", Want::Allowed)]),
        Workload::new("deny", [reviews.unhardened("/", Want::Denied)]),
    ];
    let target = Target { address, ca_pem: certificate.ca_pem };
    Running { name: "pod-security-admission".to_owned(), target, workloads, process, _dir: dir }.ready().await
}
