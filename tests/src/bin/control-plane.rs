//! A control plane to work with: starts etcd and kube-apiserver, says how to reach them, and ends them with itself.

use anyhow::{Result, bail};
use sallyport_tests::control_plane::ControlPlane;

const USAGE: &str = "\
A control plane to work with: etcd and kube-apiserver, on ports of the loopback.

Usage: control-plane

Prints the two process ids and `export KUBECONFIG=…`, and runs until it is interrupted; the two end with it.";

#[tokio::main]
async fn main() -> Result<()> {
    match std::env::args().nth(1).as_deref() {
        None => {}
        Some("-h" | "--help") => {
            println!("{USAGE}");
            return Ok(());
        }
        Some(_) => bail!("it takes no arguments\n\n{USAGE}"),
    }
    let cluster = ControlPlane::start().await?;
    let [etcd, apiserver] = cluster.process_ids();
    println!("processes: {etcd} {apiserver}");
    println!("export KUBECONFIG={}", cluster.kubeconfig().display());
    tokio::signal::ctrl_c().await?;
    Ok(())
}
