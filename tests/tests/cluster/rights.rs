//! Sallyport may do what it does, and nothing else.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use sallyport_tests::audit::Deed;
use sallyport_tests::replica::{ACCOUNT, Replica, Service};
use serde_json::{Value, json};

use crate::{cluster, condition, eventually, policy, program, rights, sallyport};

/// What the rules of a role allow.
fn allowed(role: &Value) -> BTreeSet<Deed> {
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let mut rights = BTreeSet::new();
    for rule in role["rules"].as_array().into_iter().flatten() {
        for group in texts(&rule["apiGroups"]) {
            for resource in texts(&rule["resources"]) {
                for verb in texts(&rule["verbs"]) {
                    rights.insert((group.clone(), resource.clone(), verb));
                }
            }
        }
    }
    rights
}

#[tokio::test(flavor = "multi_thread")]
async fn every_right_is_used_and_none_is_missing() -> Result<()> {
    let cluster = cluster().await?;
    let objects = cluster.objects();
    objects.create(&policy("team", "first")).await?;
    let service = Service::start().await?;
    let replica =
        Replica::start(&cluster, program(), "one", service.url(), &["--owner", "sallyport"]).await?;
    service.has(&[&replica]);
    condition(&cluster, &policy("team", ""), "Accepted").await?;
    let traffic = json!({
        "apiVersion": "sallyport.dev/v1alpha1",
        "kind": "TrafficPolicy",
        "metadata": { "name": "api", "namespace": "default" },
        "spec": { "selector": { "matchLabels": { "app": "api" } }, "headers": { "response": { "preset": "owasp" } } },
    });
    objects.create(&traffic).await?;
    condition(&cluster, &traffic, "Accepted").await?;
    let exception = json!({
        "apiVersion": "sallyport.dev/v1alpha1",
        "kind": "PolicyException",
        "metadata": { "name": "some", "namespace": "default" },
        "spec": {
            "policies": [{ "name": "team" }],
            "match": { "kinds": ["Pod"] },
            "expires": "2020-01-01T00:00:00Z",
            "reason": "a test",
        },
    });
    objects.create(&exception).await?;
    condition(&cluster, &exception, "Honoured").await?;
    let made = objects.get(&exception).await?;
    ensure!(
        made["metadata"]["annotations"].to_string().contains("author"),
        "its author is on record: {made}"
    );
    // What is changed is changed back, what is asked for is renewed, and a namespace is asked about that is new.
    for mode in ["Audit", "Enforce", "Audit"] {
        objects.merge(&policy("team", ""), &json!({ "spec": { "mode": mode } })).await?;
        condition(&cluster, &policy("team", ""), "Accepted").await?;
    }
    let secret = json!({ "apiVersion": "v1", "kind": "Secret",
        "metadata": { "name": "sallyport-certificates", "namespace": "sallyport" } });
    let renew = json!({ "metadata": { "annotations": { "sallyport.dev/renew": "certificate" } } });
    objects.merge(&secret, &renew).await?;
    // As the documents have it for kubectl: the leader removes what it has registered.
    let lease = json!({ "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": { "name": "sallyport", "namespace": "sallyport" } });
    let pause =
        json!({ "metadata": { "annotations": { "sallyport.dev/paused-until": "2099-01-01T00:00:00Z" } } });
    objects.merge(&lease, &pause).await?;
    let other = json!({ "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": { "name": "sallyport" } });
    eventually("nothing is registered", async || objects.get(&other).await.is_err().then_some(())).await?;
    sallyport(&cluster, &["resume"])?;
    eventually("it registers again", async || objects.get(&other).await.ok()).await?;

    let all: BTreeSet<Deed> = rights()?.iter().flat_map(allowed).filter(|right| !elsewhere(right)).collect();
    let unused =
        || -> Result<BTreeSet<Deed>> { Ok(all.difference(&cluster.used(ACCOUNT)?).cloned().collect()) };
    eventually("every right is used", async || unused().ok()?.is_empty().then_some(()))
        .await
        .with_context(|| format!("these are not: {:?}", unused()))?;
    let refused = cluster.refused(ACCOUNT)?;
    ensure!(refused.is_empty(), "these rights are missing: {refused:?}");
    Ok(())
}

/// What only a Service makes it do, which stands for nothing in a test that reaches it by its address; and what it does for
/// a namespace that no watch has told of, which hangs on the moment.
fn elsewhere((_, resource, verb): &Deed) -> bool {
    resource == "endpointslices" || (resource == "namespaces" && verb == "get")
}
