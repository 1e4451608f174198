//! Reaching the API server.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

/// For an answer to begin. Watches say for how long they last.
const READ: Duration = Duration::from_secs(320);
const CONNECT: Duration = Duration::from_secs(10);

/// A client as the kubeconfig says; without one, as `$KUBECONFIG`, `~/.kube/config` or the pod's service account does.
/// Also its namespace: the pod's own, in a cluster.
pub(crate) async fn connect(kubeconfig: Option<&Path>) -> anyhow::Result<(Client, String)> {
    let mut config = match kubeconfig {
        Some(path) => {
            let file = Kubeconfig::read_from(path)?;
            Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
                .await
                .with_context(|| format!("{} is no kubeconfig of use", path.display()))?
        }
        None => {
            Config::infer().await.context("no cluster is known: run in a pod, or give --kubeconfig FILE")?
        }
    };
    config.connect_timeout = Some(CONNECT);
    config.read_timeout = Some(READ);
    let namespace = config.default_namespace.clone();
    Ok((Client::try_from(config)?, namespace))
}
