//! Sallyport as it runs in a cluster, from its own manifests alone. Each test has a control plane of its own: what
//! Sallyport registers is one for a cluster.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};
use sallyport_tests::control_plane::ControlPlane;
use sallyport_tests::eventually::eventually;
use sallyport_tests::replica::{condition, install, rights};
use serde_json::{Value, json};

mod certificates;
mod guards;
mod load;
mod policies;
mod recovery;
mod registration;
mod rights;
mod simulation;
mod size;

/// The program, as cargo built it beside these tests.
fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_sallyport-under-test"))
}

/// Runs a command of the program as the cluster's administrator; what it prints.
fn sallyport(cluster: &ControlPlane, args: &[&str]) -> Result<String> {
    let output = Command::new(program()).args(args).arg("--kubeconfig").arg(cluster.kubeconfig()).output()?;
    ensure!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// A control plane with Sallyport's resources, its namespace and its rights.
async fn cluster() -> Result<ControlPlane> {
    let cluster = ControlPlane::start().await?;
    install(&cluster).await?;
    Ok(cluster)
}

/// A policy for pods: it gives a label, and refuses those that are labelled `refuse`.
fn policy(name: &str, label: &str) -> Value {
    json!({
        "apiVersion": "sallyport.dev/v1alpha1",
        "kind": "WorkloadPolicy",
        "metadata": { "name": name },
        "spec": {
            "match": { "kinds": ["Pod"] },
            "mutate": [{ "name": "label", "metadata": { "labels": { "given": label } } }],
            "validate": [{
                "name": "refuse",
                "cel": {
                    "expression": "!has(object.metadata.labels.refuse)",
                    "message": "the label refuse stands there",
                },
            }],
        },
    })
}

fn pod(namespace: &str, labels: &Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "generateName": "pod-", "namespace": namespace, "labels": labels },
        "spec": { "containers": [{ "name": "app", "image": "registry.example.com/app:1" }] },
    })
}

fn configuration(kind: &str) -> Value {
    json!({ "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": { "name": "sallyport" } })
}
