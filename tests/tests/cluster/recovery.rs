//! Whatever ends is found again, in any order.

use anyhow::{Context as _, Result};
use sallyport_tests::control_plane::ControlPlane;
use sallyport_tests::replica::{Replica, Service};
use serde_json::json;

use crate::{cluster, eventually, pod, policy, program};

async fn given(cluster: &ControlPlane, namespace: &str, label: &str) -> Result<()> {
    eventually("a policy is in force", async || {
        let made = cluster.objects().dry_run_create(&pod(namespace, &json!({}))).await.ok()?;
        (made["metadata"]["labels"]["given"] == label).then_some(())
    })
    .await
    .with_context(|| label.to_owned())
}

async fn change(cluster: &ControlPlane, namespace: &str, label: &str) -> Result<()> {
    let mutate = json!([{ "name": "label", "metadata": { "labels": { "given": label } } }]);
    let change = json!({ "spec": { "mutate": mutate } });
    eventually("a policy can be changed", async || {
        cluster.objects().merge(&policy("team", ""), &change).await.ok()
    })
    .await?;
    given(cluster, namespace, label).await
}

#[tokio::test(flavor = "multi_thread")]
async fn api_server_etcd_and_replicas_may_end_in_any_order() -> Result<()> {
    let mut cluster = cluster().await?;
    cluster.objects().create(&policy("team", "first")).await?;
    let service = Service::start().await?;
    let mut first = Replica::start(&cluster, program(), "first", service.url(), &[]).await?;
    let mut second = Replica::start(&cluster, program(), "second", service.url(), &[]).await?;
    service.has(&[&first, &second]);
    let namespace = cluster.namespace(&[]).await?;
    given(&cluster, &namespace, "first").await?;

    cluster.restart_apiserver().await?;
    change(&cluster, &namespace, "after-apiserver").await?;
    cluster.restart_etcd().await?;
    change(&cluster, &namespace, "after-etcd").await?;
    cluster.restart_etcd().await?;
    cluster.restart_apiserver().await?;
    change(&cluster, &namespace, "after-both").await?;

    // All replicas at once, and the API server while they are away.
    first.kill()?;
    second.kill()?;
    cluster.restart_apiserver().await?;
    let third = Replica::start(&cluster, program(), "third", service.url(), &[]).await?;
    service.has(&[&third]);
    change(&cluster, &namespace, "after-all").await
}
