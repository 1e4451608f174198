//! Policies come into force as they change, and each says what has become of it.

use anyhow::{Result, ensure};
use sallyport_tests::replica::{Replica, Service};
use serde_json::{Value, json};

use crate::{cluster, condition, eventually, pod, policy, program, sallyport};

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_is_wrong_takes_nothing_away() -> Result<()> {
    let cluster = cluster().await?;
    let objects = cluster.objects();
    objects.create(&policy("team", "first")).await?;
    objects.create(&policy("other", "other")).await?;
    let service = Service::start().await?;
    let replica = Replica::start(&cluster, program(), "one", service.url(), &[]).await?;
    service.has(&[&replica]);
    let accepted = condition(&cluster, &policy("team", "first"), "Accepted").await?;
    ensure!(accepted["status"] == "True" && accepted["reason"] == "InForce", "{accepted}");

    let namespace = cluster.namespace(&[]).await?;
    let given = async || -> Option<Value> {
        let made = objects.dry_run_create(&pod(&namespace, &json!({}))).await.ok()?;
        Some(made["metadata"]["labels"]["given"].clone())
    };
    eventually("the first policy is in force", async || (given().await? == "other").then_some(())).await?;
    let change = json!({ "spec": { "priority": -1 } });
    objects.merge(&policy("team", ""), &change).await?;
    eventually("a change comes into force", async || (given().await? == "first").then_some(())).await?;

    // Past the webhook, as it may come while Sallyport is paused, or with a backup.
    sallyport(&cluster, &["pause"])?;
    let wrong = json!({ "spec": { "mutate": [
        { "name": "label", "when": "object.metadata.", "metadata": { "labels": { "given": "wrong" } } },
    ] } });
    eventually("a wrong policy is stored", async || objects.merge(&policy("team", ""), &wrong).await.ok())
        .await?;
    let accepted = condition(&cluster, &policy("team", ""), "Accepted").await?;
    ensure!(accepted["status"] == "False" && accepted["reason"] == "Invalid", "{accepted}");
    let message = accepted["message"].as_str().unwrap_or_default();
    ensure!(message.contains("generation 2 of it stays in force"), "{message}");
    ensure!(message.contains("spec.mutate[label].when"), "{message}");
    sallyport(&cluster, &["resume"])?;
    eventually("what was right stays in force", async || (given().await? == "first").then_some(())).await?;
    let events =
        json!({ "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": { "namespace": "default" } });
    eventually("an Event tells of it", async || {
        let found = objects.list(&events).await.ok()?;
        let mut of_policy = found.iter().filter(|event| event["regarding"]["name"] == "team");
        of_policy.any(|event| event["type"] == "Warning" && event["reason"] == "Invalid").then_some(())
    })
    .await?;
    let other = condition(&cluster, &policy("other", ""), "Accepted").await?;
    ensure!(other["status"] == "True", "{other}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_of_a_namespace_that_was_made_a_moment_ago_count() -> Result<()> {
    let cluster = cluster().await?;
    let objects = cluster.objects();
    let mut chosen = policy("chosen", "chosen");
    chosen["spec"]["match"]["namespaceSelector"] = json!({ "matchLabels": { "tier": "gold" } });
    objects.create(&chosen).await?;
    let service = Service::start().await?;
    let replica = Replica::start(&cluster, program(), "one", service.url(), &[]).await?;
    service.has(&[&replica]);
    let first = cluster.namespace(&[("tier", "gold")]).await?;
    eventually("the policy is in force", async || {
        let made = objects.dry_run_create(&pod(&first, &json!({}))).await.ok()?;
        (made["metadata"]["labels"]["given"] == "chosen").then_some(())
    })
    .await?;
    for _ in 0..30 {
        let namespace = cluster.namespace(&[("tier", "gold")]).await?;
        let made = objects.create(&pod(&namespace, &json!({}))).await?;
        ensure!(made["metadata"]["labels"]["given"] == "chosen", "{made}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exception_says_whether_it_is_honoured() -> Result<()> {
    let cluster = cluster().await?;
    let objects = cluster.objects();
    let namespace = cluster.namespace(&[]).await?;
    let mut excepting = policy("team", "first");
    excepting["spec"]["exceptions"] = json!({ "namespaces": [namespace], "maxDuration": "30d" });
    objects.create(&excepting).await?;
    let service = Service::start().await?;
    let replica = Replica::start(&cluster, program(), "one", service.url(), &[]).await?;
    service.has(&[&replica]);

    let exception = |name: &str, policy: &str, expires: &str| {
        json!({
            "apiVersion": "sallyport.dev/v1alpha1",
            "kind": "PolicyException",
            "metadata": { "name": name, "namespace": namespace },
            "spec": {
                "policies": [{ "name": policy, "entries": ["refuse"] }],
                "match": { "kinds": ["Pod"] },
                "expires": expires,
                "reason": "a test",
            },
        })
    };
    let tomorrow = k8s_openapi::jiff::Timestamp::now() + std::time::Duration::from_secs(86_400);
    for (name, policy, expires, reason) in [
        ("good", "team", tomorrow.to_string(), "InForce"),
        ("ended", "team", "2020-01-01T00:00:00Z".to_owned(), "Expired"),
        ("long", "team", "2099-01-01T00:00:00Z".to_owned(), "TooLong"),
        ("lost", "nobody", tomorrow.to_string(), "UnknownPolicy"),
    ] {
        let exception = exception(name, policy, &expires);
        objects.create(&exception).await?;
        let honoured = condition(&cluster, &exception, "Honoured").await?;
        ensure!(honoured["reason"] == reason, "{name}: {honoured}");
        ensure!((honoured["status"] == "True") == (reason == "InForce"), "{name}: {honoured}");
    }
    eventually("the pod passes that the exception lets in", async || {
        objects.dry_run_create(&pod(&namespace, &json!({ "refuse": "me" }))).await.ok()
    })
    .await?;
    Ok(())
}
