//! Sallyport registers itself, keeps its registration, and steps aside when it is told to.

use anyhow::{Context as _, Result, ensure};
use kube::Error;
use sallyport_tests::control_plane::ControlPlane;
use sallyport_tests::metrics;
use sallyport_tests::replica::{NAMESPACE, Replica, Service};
use serde_json::{Value, json};

use crate::{cluster, condition, configuration, eventually, pod, policy, program, sallyport};

const MUTATING: &str = "MutatingWebhookConfiguration";
const VALIDATING: &str = "ValidatingWebhookConfiguration";

/// The webhooks of a configuration that names a rule for pods, once there are any.
async fn registered(cluster: &ControlPlane, kind: &str) -> Result<Value> {
    eventually("the API server is told to ask about pods", async || {
        let found = cluster.objects().get(&configuration(kind)).await.ok()?;
        found["webhooks"].to_string().contains("\"pods\"").then_some(found)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_needs_nothing_but_policies() -> Result<()> {
    let cluster = cluster().await?;
    let objects = cluster.objects();
    let service = Service::start().await?;
    let replica =
        Replica::start(&cluster, program(), "one", service.url(), &["--owner", "sallyport"]).await?;
    service.has(&[&replica]);
    let namespace = cluster.namespace(&[]).await?;

    objects.create(&policy("team", "first")).await?;
    registered(&cluster, MUTATING).await?;
    registered(&cluster, VALIDATING).await?;
    let made = eventually("a pod is completed", async || {
        let made = objects.dry_run_create(&pod(&namespace, &json!({}))).await.ok()?;
        (made["metadata"]["labels"]["given"] == "first").then_some(made)
    })
    .await?;
    ensure!(made["spec"]["containers"][0]["name"] == "app", "{made}");

    let refused = objects.create(&pod(&namespace, &json!({ "refuse": "me" }))).await;
    let Err(Error::Api(refused)) = refused else { anyhow::bail!("it was not refused: {refused:?}") };
    ensure!(refused.message.contains("the label refuse stands there"), "{}", refused.message);
    ensure!(refused.message.contains("team/refuse"), "{}", refused.message);

    // The namespaces of the control plane and of Sallyport itself are never asked about.
    let found = registered(&cluster, VALIDATING).await?;
    let workloads = &found["webhooks"][0];
    ensure!(workloads["failurePolicy"] == "Fail", "{workloads}");
    ensure!(
        workloads["namespaceSelector"]["matchExpressions"][0]["values"]
            == json!(["kube-node-lease", "kube-system", NAMESPACE]),
        "{workloads}"
    );
    ensure!(found["metadata"]["ownerReferences"][0]["kind"] == "ClusterRole", "{}", found["metadata"]);

    // A resource of ours that is wrong is refused by the same program.
    let mut wrong = policy("wrong", "x");
    wrong["spec"]["validate"][0]["cel"]["expression"] = json!("object.metadata.nmae == ");
    let refused = objects.create(&wrong).await;
    let Err(Error::Api(refused)) = refused else { anyhow::bail!("it was not refused: {refused:?}") };
    ensure!(refused.message.contains("spec.validate[refuse]"), "{}", refused.message);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_makes_of_the_registration_is_undone() -> Result<()> {
    let cluster = cluster().await?;
    let objects = cluster.objects();
    objects.create(&policy("team", "first")).await?;
    let service = Service::start().await?;
    let replica = Replica::start(&cluster, program(), "one", service.url(), &[]).await?;
    service.has(&[&replica]);
    let before = registered(&cluster, VALIDATING).await?;

    let entry = |found: &Value| found["webhooks"][0].clone();
    for change in [
        json!({ "failurePolicy": "Ignore" }),
        json!({ "objectSelector": { "matchLabels": { "nobody": "has-this" } } }),
        json!({ "matchConditions": [{ "name": "never", "expression": "false" }] }),
        json!({ "rules": [] }),
    ] {
        let mut found = objects.get(&configuration(VALIDATING)).await?;
        for (field, value) in change.as_object().context("a change is an object")? {
            found["webhooks"][0][field] = value.clone();
        }
        objects.replace(&found, None).await?;
        eventually("the registration is as it was", async || {
            let found = objects.get(&configuration(VALIDATING)).await.ok()?;
            (entry(&found) == entry(&before)).then_some(())
        })
        .await
        .with_context(|| change.to_string())?;
    }
    for kind in [MUTATING, VALIDATING] {
        objects.delete(&configuration(kind)).await?;
        registered(&cluster, kind).await?;
    }

    // Without a policy there is nothing to ask about but policies themselves.
    objects.delete(&policy("team", "first")).await?;
    eventually("nothing is asked about pods", async || {
        let mutating = objects.get(&configuration(MUTATING)).await.ok()?;
        let validating = objects.get(&configuration(VALIDATING)).await.ok()?;
        let names = |found: &Value| -> Vec<Value> {
            found["webhooks"].as_array().into_iter().flatten().map(|it| it["name"].clone()).collect()
        };
        let own =
            names(&mutating) == ["authors.sallyport.dev"] && names(&validating) == ["policies.sallyport.dev"];
        own.then_some(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_takes_sallyport_out_of_the_way_with_or_without_it() -> Result<()> {
    let cluster = cluster().await?;
    let objects = cluster.objects();
    objects.create(&policy("team", "first")).await?;
    let service = Service::start().await?;
    let mut replica = Replica::start(&cluster, program(), "one", service.url(), &[]).await?;
    service.has(&[&replica]);
    registered(&cluster, MUTATING).await?;
    let namespace = cluster.namespace(&[]).await?;

    // It is three in the morning: nobody answers, and nothing can be created.
    replica.kill()?;
    let refused = objects.create(&pod(&namespace, &json!({}))).await;
    ensure!(matches!(refused, Err(Error::Api(_))), "{refused:?}");
    let said = sallyport(&cluster, &["pause", "--for", "1h", "--because", "nobody answers"])?;
    ensure!(said.starts_with("paused until 20"), "{said}");
    eventually("pods are created again", async || objects.create(&pod(&namespace, &json!({}))).await.ok())
        .await?;

    // A replica that comes back leaves it at that.
    let replica = Replica::start(&cluster, program(), "two", service.url(), &[]).await?;
    service.has(&[&replica]);
    replica
        .log()
        .find(|line| line["message"].as_str()?.starts_with("nothing is registered until 20").then_some(()))
        .await?;
    ensure!(objects.get(&configuration(MUTATING)).await.is_err(), "it is registered while paused");
    let said = async |reason: &str| {
        eventually("the status says so", async || {
            let said = condition(&cluster, &policy("team", ""), "Accepted").await.ok()?;
            (said["reason"] == reason).then_some(said)
        })
        .await
    };
    let message = said("Paused").await?["message"].to_string();
    ensure!(
        message.contains("nothing is asked about until 20") && message.contains("nobody answers"),
        "{message}"
    );
    let metric = async |name: &str| {
        Ok::<f64, anyhow::Error>(metrics::sum(&replica.page("/metrics").await?, name, &[]))
    };
    ensure!(metric("sallyport_paused_until_seconds").await? > 1e9, "{}", replica.page("/metrics").await?);
    ensure!(metric("sallyport_leading").await? == 1.0, "{}", replica.page("/metrics").await?);

    sallyport(&cluster, &["resume"])?;
    registered(&cluster, MUTATING).await?;
    said("InForce").await?;
    ensure!(metric("sallyport_paused_until_seconds").await? == 0.0, "{}", replica.page("/metrics").await?);
    Ok(())
}
