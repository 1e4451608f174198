//! Among those that a cluster with a service mesh has besides: a real istiod with its injector and proxies, and the
//! controllers that make pods.

use std::path::Path;

use anyhow::{Result, anyhow};
use sallyport_tests::control_plane::ControlPlane;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

mod attachments;
mod controllers;
mod examples;
mod injection;
mod proxies;
mod way;

/// The program, as cargo built it beside these tests.
fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_sallyport-under-test"))
}

/// The control plane with all controllers that these tests share, each in namespaces of its own.
async fn cluster() -> Result<&'static ControlPlane> {
    static CLUSTER: OnceCell<Result<ControlPlane, String>> = OnceCell::const_new();
    let start = async || ControlPlane::start_with_controllers().await.map_err(|error| format!("{error:#}"));
    CLUSTER.get_or_init(start).await.as_ref().map_err(|error| anyhow!("{error}"))
}

fn pod(namespace: &str, name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": name, "namespace": namespace, "labels": { "app": name } },
        "spec": { "containers": [{ "name": "app", "image": "registry.example.com/app:1" }] },
    })
}

/// A Deployment of one such pod, which has these labels too.
fn deployment(namespace: &str, name: &str, labels: &Value) -> Value {
    let mut template = pod(namespace, name);
    for (key, value) in labels.as_object().into_iter().flatten() {
        template["metadata"]["labels"][key] = value.clone();
    }
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": name, "namespace": namespace },
        "spec": {
            "selector": { "matchLabels": { "app": name } },
            "template": { "metadata": { "labels": template["metadata"]["labels"] }, "spec": template["spec"] },
        },
    })
}
