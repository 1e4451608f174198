//! A control plane to work with: starts etcd and kube-apiserver, says how to reach them, and ends them with itself.

use anyhow::Result;
use sallyport_tests::control_plane::ControlPlane;

#[tokio::main]
async fn main() -> Result<()> {
    let cluster = ControlPlane::start().await?;
    let [etcd, apiserver] = cluster.process_ids();
    println!("processes: {etcd} {apiserver}");
    println!("export KUBECONFIG={}", cluster.kubeconfig().display());
    tokio::signal::ctrl_c().await?;
    Ok(())
}
