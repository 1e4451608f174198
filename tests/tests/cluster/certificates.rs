//! Certificates are made, kept and renewed without a call being lost.

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sallyport_tests::control_plane::ControlPlane;
use sallyport_tests::replica::{NAMESPACE, Replica, Service};
use serde_json::{Value, json};

use crate::load::Load;
use crate::{cluster, eventually, pod, policy, program};

fn secret() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "name": "sallyport-certificates", "namespace": NAMESPACE },
    })
}

async fn field(cluster: &ControlPlane, name: &str) -> Option<String> {
    let secret = cluster.objects().get(&secret()).await.ok()?;
    let bytes = BASE64.decode(secret["data"][name].as_str()?).ok()?;
    String::from_utf8(bytes).ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_and_authorities_change_and_replicas_come_and_go_without_a_lost_call() -> Result<()> {
    let cluster = cluster().await?;
    let objects = cluster.objects();
    objects.create(&policy("team", "first")).await?;
    let service = Service::start().await?;
    let url = service.url();
    // So that an authority is used a second after it is published, and not after five minutes.
    let short = ["--certificate-lifetime", "100s", "--authority-lifetime", "1000s"];
    let first = Replica::start(&cluster, program(), "first", url, &short).await?;
    let second = Replica::start(&cluster, program(), "second", url, &short).await?;
    service.has(&[&first, &second]);
    let namespace = cluster.namespace(&[]).await?;
    eventually("pods are completed", async || {
        let made = objects.dry_run_create(&pod(&namespace, &json!({}))).await.ok()?;
        (made["metadata"]["labels"]["given"] == "first").then_some(())
    })
    .await?;

    let load = Load::start(&cluster, &namespace);
    let renew = async |what: &str, part: &str| -> Result<()> {
        let before = field(&cluster, part).await.context("there is a certificate")?;
        let asked = json!({ "metadata": { "annotations": { "sallyport.dev/renew": what } } });
        objects.merge(&secret(), &asked).await?;
        eventually("another is served", async || (field(&cluster, part).await? != before).then_some(()))
            .await
            .with_context(|| what.to_owned())
    };
    renew("certificate", "tls.crt").await?;
    renew("certificate", "tls.crt").await?;
    renew("authority", "authority.crt").await?;
    let trusted = field(&cluster, "ca.crt").await.context("there is a bundle")?;
    ensure!(trusted.matches("BEGIN CERTIFICATE").count() == 2, "the authority before is trusted still");

    // Each replica gives way to another, as a Deployment rolls them.
    let mut running = vec![first, second];
    for name in ["third", "fourth"] {
        let next = Replica::start(&cluster, program(), name, url, &short).await?;
        running.push(next);
        service.has(&running.iter().collect::<Vec<_>>());
        eventually("it is ready", async || running.last()?.page("/readyz").await.ok()).await?;
        running[0].ask_to_end()?;
        let ended = running[0].ended().await?;
        ensure!(ended.success(), "{ended}");
        running.remove(0);
    }
    let answered = load.end().await?;
    ensure!(answered.lost == 0, "{} calls were lost; the last: {}", answered.lost, answered.last);
    ensure!(answered.answered > 50, "only {} calls were made meanwhile", answered.answered);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_is_made_anew_where_it_is_of_no_use() -> Result<()> {
    let cluster = cluster().await?;
    let objects = cluster.objects();
    objects.create(&policy("team", "first")).await?;
    let service = Service::start().await?;
    let mut replica = Replica::start(&cluster, program(), "one", service.url(), &[]).await?;
    service.has(&[&replica]);
    let namespace = cluster.namespace(&[]).await?;
    let completed = async || {
        eventually("pods are completed", async || {
            let made = objects.dry_run_create(&pod(&namespace, &json!({}))).await.ok()?;
            (made["metadata"]["labels"]["given"] == "first").then_some(())
        })
        .await
    };
    completed().await?;
    let before = field(&cluster, "tls.crt").await;
    objects.delete(&secret()).await?;
    eventually("another is made", async || {
        let made = field(&cluster, "tls.crt").await?;
        (Some(&made) != before.as_ref()).then_some(())
    })
    .await?;
    completed().await?;

    let broken = json!({ "data": { "authority.crt": BASE64.encode("no certificate") } });
    objects.merge(&secret(), &broken).await?;
    // The annotation brings the leader there at once; else it comes by within a minute.
    eventually("what is broken is made anew", async || {
        let authority = field(&cluster, "authority.crt").await?;
        authority.contains("BEGIN CERTIFICATE").then_some(())
    })
    .await?;
    completed().await?;

    // The key of another certificate, while nobody runs who could lead: the next one does not serve it.
    replica.kill()?;
    let broken = json!({ "data": { "tls.key": BASE64.encode(field(&cluster, "authority.key").await.unwrap_or_default()) } });
    objects.merge(&secret(), &broken).await?;
    let replica = Replica::start(&cluster, program(), "two", service.url(), &[]).await?;
    service.has(&[&replica]);
    completed().await
}
