//! Sallyport may do what it does, and nothing else.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use anyhow::{Context as _, Result, ensure};
use sallyport_tests::audit::Deed;
use sallyport_tests::control_plane::ControlPlane;
use sallyport_tests::mesh::define;
use sallyport_tests::proxy::{Module, page};
use sallyport_tests::replica::{ACCOUNT, Port, Replica, Service};
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
    define(&cluster).await?;
    let objects = cluster.objects();
    objects.create(&policy("team", "first")).await?;
    let (service, filters) = (Service::start().await?, Service::start_for(Port::Filter).await?);
    let module = Module::built()?.path.display().to_string();
    let flags = [["--owner", "sallyport"], ["--filter", &module], ["--filter-url", filters.url()]];
    let replica = Replica::start(&cluster, program(), "one", service.url(), flags.as_flattened()).await?;
    service.has(&[&replica]);
    filters.has(&[&replica]);
    condition(&cluster, &policy("team", ""), "Accepted").await?;
    attach(&cluster, &filters).await?;
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

/// Has it attach policies in every way, change that, and take it away.
async fn attach(cluster: &ControlPlane, filters: &Service) -> Result<()> {
    let objects = cluster.objects();
    // The filters of versions that are gone, the oldest of which are removed.
    for old in 0..4 {
        let digest = format!("{old:064}");
        let name = format!("sallyport-filter-{}", &digest[48..]);
        let made = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": {
            "name": name, "namespace": "sallyport", "labels": { "sallyport.dev/filter": "" },
            "annotations": { "sallyport.dev/sha256": digest } } });
        objects.create(&made).await?;
    }
    for (attach, target) in [
        ("EnvoyFilter", "Service"),
        ("WasmPlugin", "Deployment"),
        ("TrafficExtension", "StatefulSet"),
        ("TrafficExtension", "DaemonSet"),
    ] {
        let selector = json!({ "app": "api" });
        let named = match target {
            "Service" => {
                json!({ "apiVersion": "v1", "spec": { "selector": selector, "ports": [{ "port": 80 }] } })
            }
            _ => json!({ "apiVersion": "apps/v1", "spec": {
                "selector": { "matchLabels": selector },
                "serviceName": (target == "StatefulSet").then_some("api"),
                "template": { "metadata": { "labels": selector }, "spec": { "containers": [{ "name": "app", "image": "app:1" }] } },
            } }),
        };
        let mut named = named;
        named["kind"] = target.into();
        named["metadata"] = json!({ "name": "api", "namespace": "default" });
        objects.create(&named).await?;
        let traffic = json!({
            "apiVersion": "sallyport.dev/v1alpha1",
            "kind": "TrafficPolicy",
            "metadata": { "name": "api", "namespace": "default" },
            "spec": {
                "attach": attach,
                "targetRefs": [{ "kind": target, "name": "api" }],
                "headers": { "response": { "preset": "owasp" } },
            },
        });
        objects.create(&traffic).await?;
        condition(cluster, &traffic, "Accepted").await?;
        let said = condition(cluster, &traffic, "Attached").await?;
        ensure!(said["reason"] == "SelectsNothing", "{said}");
        objects
            .merge(
                &traffic,
                &json!({ "spec": { "headers": { "response": { "preset": "strict-transport" } } } }),
            )
            .await?;
        condition(cluster, &traffic, "Attached").await?;
        objects.delete(&traffic).await?;
        let version = if attach == "EnvoyFilter" {
            "networking.istio.io/v1alpha3"
        } else {
            "extensions.istio.io/v1alpha1"
        };
        let attached = json!({ "apiVersion": version, "kind": attach,
            "metadata": { "name": "sallyport-api.target-1", "namespace": "default" } });
        eventually("it is detached", async || objects.get(&attached).await.is_err().then_some(())).await?;
    }
    // A proxy asks for the filter of another version.
    let port = filters.url().rsplit_once(':').context("no port")?.1.parse()?;
    let other = page((Ipv4Addr::LOCALHOST, port).into(), &format!("/filter/{:064}.wasm", 9)).await;
    ensure!(other.is_err(), "{other:?}");
    Ok(())
}

/// What only a Service makes it do, which stands for nothing in a test that reaches it by its address; and what it does for
/// a namespace that no watch has told of, which hangs on the moment.
fn elsewhere((_, resource, verb): &Deed) -> bool {
    resource == "endpointslices" || (resource == "namespaces" && verb == "get")
}
