//! Reaching the API server.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

/// For an answer to begin. Watches say for how long they last.
const READ: Duration = Duration::from_secs(320);
const CONNECT: Duration = Duration::from_secs(10);

/// A client as the kubeconfig says; without one, as the pod's service account or kubectl's configuration does. In a pod
/// also the pod's namespace; what a kubeconfig says of one is for those who type.
pub(crate) async fn connect(kubeconfig: Option<&Path>) -> anyhow::Result<(Client, Option<String>)> {
    let mut namespace = None;
    let mut config = match kubeconfig {
        Some(path) => {
            let file = Kubeconfig::read_from(path)?;
            Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
                .await
                .with_context(|| format!("{} is no kubeconfig of use", path.display()))?
        }
        None if std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() => {
            let config = Config::incluster().context("the pod's service account is of no use")?;
            namespace = Some(config.default_namespace.clone());
            config
        }
        None => {
            let inferred = Config::infer().await;
            inferred.context("no cluster is known: run in a pod, or give --kubeconfig FILE")?
        }
    };
    config.connect_timeout = Some(CONNECT);
    config.read_timeout = Some(READ);
    Ok((Client::try_from(config)?, namespace))
}
