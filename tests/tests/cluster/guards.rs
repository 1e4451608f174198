//! Proxies are given their keys, and nobody takes the second gate away.

use anyhow::{Result, ensure};
use kube::Error;
use sallyport_tests::control_plane::ControlPlane;
use sallyport_tests::objects::Objects;
use sallyport_tests::replica::{ACCOUNT, Replica, Service};
use serde_json::{Value, json};

use crate::{cluster, configuration, eventually, policy, program};

/// A kind of Istio's, of which nothing is known but its name.
fn definition(group: &str, version: &str, kind: &str, plural: &str) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("{plural}.{group}") },
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": { "kind": kind, "plural": plural, "singular": kind.to_lowercase() },
            "versions": [{
                "name": version, "served": true, "storage": true,
                "schema": { "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } },
            }],
        },
    })
}

fn envoy_filter(namespace: &str, name: &str, about: &str) -> Value {
    json!({
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": { "name": name, "namespace": namespace },
        "spec": { "configPatches": [{ "patch": { "operation": "REMOVE", "value": { "name": about } } }] },
    })
}

/// It checks tokens with a key of a Secret that is called as it is.
fn traffic_policy(namespace: &str, name: &str) -> Value {
    json!({
        "apiVersion": "sallyport.dev/v1alpha1",
        "kind": "TrafficPolicy",
        "metadata": { "name": name, "namespace": namespace },
        "spec": {
            "selector": { "matchLabels": { "app": "api" } },
            "jwt": {
                "providers": [{
                    "name": "staff", "issuer": "https://staff.example", "audiences": ["api"], "algorithms": ["RS256"],
                    "jwks": { "secretRef": { "name": name, "key": "jwks.json" } },
                }],
                "rules": [{ "name": "all", "match": [{}], "require": { "anyOf": ["staff"] } }],
            },
        },
    })
}

fn gated(namespace: &str) -> Value {
    let mut gated = policy("gated", "");
    gated["spec"] = json!({
        "match": { "kinds": ["Pod"], "namespaces": [namespace] },
        "validate": [{ "name": "tokens", "labels": { "app": "api" }, "requireTraffic": { "jwt": true } }],
    });
    gated
}

fn pod(namespace: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": "api", "namespace": namespace, "labels": { "app": "api" } },
        "spec": {
            "initContainers": [
                { "name": "istio-proxy", "image": "docker.io/istio/proxyv2:1.30.0", "args": ["proxy", "sidecar"], "restartPolicy": "Always" },
            ],
            "containers": [{ "name": "api", "image": "registry.example.com/api:1" }],
        },
    })
}

/// Somebody who may do anything.
fn as_user(cluster: &ControlPlane, user: &str) -> Objects {
    Objects::new(cluster.client_as(user, &["system:masters"]))
}

/// The message with which the API server refuses.
fn refusal<T: std::fmt::Debug>(answer: Result<T, Error>) -> Result<String> {
    match answer {
        Err(Error::Api(refused)) => Ok(refused.message.clone()),
        other => anyhow::bail!("it was not refused: {other:?}"),
    }
}

/// Once the API server asks as it should: the names of its validating webhooks.
async fn asks(cluster: &ControlPlane, wanted: &[&str]) -> Result<()> {
    eventually("the API server asks about what is guarded", async || {
        let found = cluster.objects().get(&configuration("ValidatingWebhookConfiguration")).await.ok()?;
        wanted.iter().all(|name| found.to_string().contains(name)).then_some(())
    })
    .await
}

/// What is guarded: a pod with a proxy, a TrafficPolicy with keys in a Secret, and an entry that requires it.
async fn guarded(objects: &Objects, namespace: &str) -> Result<()> {
    objects.create(&traffic_policy(namespace, "tokens")).await?;
    objects.create(&gated(namespace)).await?;
    in_force(objects, namespace, &["tokens"]).await
}

/// Waits until these TrafficPolicies are in force and no others: a proxy is given their keys.
async fn in_force(objects: &Objects, namespace: &str, names: &[&str]) -> Result<()> {
    let of_namespace = namespace.replace('-', "_2d");
    let key = |name: &&str| {
        json!({
            "name": format!("SALLYPORT_KEY_{of_namespace}__{name}__jwks_2ejson"),
            "valueFrom": { "secretKeyRef": { "name": name, "key": "jwks.json", "optional": false } },
        })
    };
    let given: Vec<Value> = names.iter().map(key).collect();
    let mut another = pod(namespace);
    another["metadata"]["name"] = json!("another");
    eventually(&format!("a proxy is given the keys of {names:?}"), async || {
        let made = objects.dry_run_create(&another).await.ok()?;
        (made["spec"]["initContainers"][0]["env"] == json!(given)).then_some(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_takes_away_what_workloads_need() -> Result<()> {
    let cluster = cluster().await?;
    let objects = cluster.objects();
    let service = Service::start().await?;
    let replica = Replica::start(&cluster, program(), "one", service.url(), &[]).await?;
    service.has(&[&replica]);
    let namespace = cluster.namespace(&[]).await?;
    guarded(&objects, &namespace).await?;
    asks(&cluster, &["namespaces-can-go"]).await?;
    eventually("the pod passes, whose TrafficPolicy is in force", async || {
        objects.create(&pod(&namespace)).await.ok()
    })
    .await?;

    let labels = |labels: Value| json!({ "metadata": { "labels": labels } });
    let said = refusal(objects.merge(&pod(&namespace), &labels(json!({ "app": "x" }))).await)?;
    ensure!(said.contains("gated/tokens: metadata.labels"), "{said}");
    objects.merge(&pod(&namespace), &labels(json!({ "more": "x" }))).await?;

    let said = refusal(objects.delete(&traffic_policy(&namespace, "tokens")).await)?;
    ensure!(said.contains("gated/tokens: found no other TrafficPolicy"), "{said}");
    for change in [
        json!({ "spec": { "mode": "Shadow" } }),
        json!({ "spec": { "selector": { "matchLabels": { "app": "web" } } } }),
        json!({ "spec": { "jwt": null, "headers": { "response": { "preset": "owasp" } } } }),
    ] {
        let said = refusal(objects.merge(&traffic_policy(&namespace, "tokens"), &change).await)?;
        ensure!(said.contains("gated/tokens: spec: found no other TrafficPolicy"), "{change}: {said}");
    }
    let kept = json!({ "spec": { "failureMode": "Closed" } });
    objects.merge(&traffic_policy(&namespace, "tokens"), &kept).await?;

    objects.create(&traffic_policy(&namespace, "more")).await?;
    in_force(&objects, &namespace, &["more", "tokens"]).await?;
    objects.delete(&traffic_policy(&namespace, "tokens")).await?;
    in_force(&objects, &namespace, &["more"]).await?;
    refusal(objects.delete(&traffic_policy(&namespace, "more")).await)?;
    // A namespace takes along what is in it: who empties it is the control plane's own.
    let controller = as_user(&cluster, "system:serviceaccount:kube-system:namespace-controller");
    controller.delete(&traffic_policy(&namespace, "more")).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_but_sallyport_changes_what_attaches_its_filter() -> Result<()> {
    let cluster = cluster().await?;
    let objects = cluster.objects();
    objects.apply(&definition("networking.istio.io", "v1alpha3", "EnvoyFilter", "envoyfilters")).await?;
    let namespace = cluster.namespace(&[]).await?;
    let ours = envoy_filter(&namespace, "sallyport-api", "x");
    let others = envoy_filter(&namespace, "others", "y");
    let naming = envoy_filter(&namespace, "naming", "sallyport/shop/api");
    eventually("the kind is served", async || objects.create(&ours).await.ok()).await?;
    let service = Service::start().await?;
    let mut replica = Replica::start(&cluster, program(), "one", service.url(), &[]).await?;
    service.has(&[&replica]);
    guarded(&objects, &namespace).await?;
    asks(&cluster, &["attachments.sallyport.dev", "mentions.sallyport.dev"]).await?;

    eventually("what is Sallyport's is guarded", async || {
        refusal(objects.delete(&ours).await).ok().filter(|said| said.contains("found a change by"))
    })
    .await?;
    let said = refusal(objects.create(&naming).await)?;
    ensure!(
        said.contains("spec.configPatches[0].patch.value.name: found the name of Sallyport's filter"),
        "{said}"
    );
    objects.create(&others).await?;
    let labelled = json!({ "metadata": { "labels": { "app.kubernetes.io/managed-by": "sallyport" } } });
    let said = refusal(objects.merge(&others, &labelled).await)?;
    ensure!(said.contains("wanted the TrafficPolicy changed"), "{said}");
    let account = as_user(&cluster, ACCOUNT);
    account.merge(&ours, &json!({ "spec": { "priority": 1 } })).await?;

    // While nobody answers, what is Sallyport's stays, what is not is nobody's business, and who cleans up does.
    replica.kill()?;
    refusal(objects.delete(&ours).await)?;
    objects.delete(&others).await?;
    objects.create(&naming).await?;
    let collector = "system:serviceaccount:kube-system:generic-garbage-collector";
    as_user(&cluster, collector).delete(&ours).await?;
    Ok(())
}
