//! A large cluster fits.

use anyhow::{Result, ensure};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use sallyport_tests::replica::{Replica, Service};
use serde_json::{Value, json};

use crate::{cluster, eventually, policy, program};

const NAMESPACES: usize = 10_000;
const POLICIES: usize = 2_000;
const MOST_BYTES: u64 = 100 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_policies_and_ten_thousand_namespaces_fit_into_a_hundred_mebibytes() -> Result<()> {
    let cluster = cluster().await?;
    let objects = cluster.objects();
    let namespaces = (0..NAMESPACES).map(|number| {
        json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {
                "name": format!("team-{number}"),
                "labels": { "team": format!("team-{number}"), "tier": "gold", "region": "eu-central-1" },
                "annotations": { "about": "what nobody selects by, and so nobody keeps ".repeat(20) },
            },
        })
    });
    let policies = (0..POLICIES).map(|number| {
        let mut policy = policy(&format!("policy-{number}"), "x");
        policy["spec"]["match"]["namespaces"] = json!([format!("team-{number}")]);
        policy
    });
    let all: Vec<Value> = namespaces.chain(policies).collect();
    stream::iter(all.iter().map(|object| objects.create(object)))
        .buffer_unordered(32)
        .try_for_each(|_| async { Ok(()) })
        .await?;
    let service = Service::start().await?;
    let replica = Replica::start(&cluster, program(), "one", service.url(), &[]).await?;
    service.has(&[&replica]);
    eventually("every policy has its status", async || {
        let page = replica.page("/metrics").await.ok()?;
        let last = policy(&format!("policy-{}", POLICIES - 1), "x");
        let found = objects.get(&last).await.ok()?;
        let known = page.contains(&format!("sallyport_policies {POLICIES}\n"));
        (known && found["status"]["conditions"][0]["status"] == "True").then_some(())
    })
    .await?;
    let bytes = replica.resident_bytes()?;
    ensure!(bytes < MOST_BYTES, "{} MiB", bytes >> 20);
    println!("{} MiB", bytes >> 20);
    Ok(())
}
