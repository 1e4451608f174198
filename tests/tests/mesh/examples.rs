//! The five example systems, applied as their authors would: their controllers make the pods.

use anyhow::{Context as _, Result, ensure};
use sallyport_tests::control_plane::ControlPlane;
use sallyport_tests::eventually::eventually;
use sallyport_tests::examples::{Example, kind_of};
use sallyport_tests::registration;
use sallyport_tests::webhook::{Webhook, at};
use serde_json::{Value, json};

use crate::{cluster, program};

/// The name of the webhook, and of the label of the namespaces that are before it.
const NAME: &str = "m-examples";

#[tokio::test(flavor = "multi_thread")]
async fn what_controllers_make_of_the_five_systems_is_what_their_policies_say() -> Result<()> {
    let examples = Example::all()?;
    let cluster = cluster().await?;
    let objects = cluster.objects();
    let policies: Vec<_> = examples.iter().map(Example::policies).collect();
    let webhook = Webhook::start(program(), &policies).await?;
    let mut namespaces = Vec::new();
    for example in &examples {
        for mut object in example.namespace()? {
            if object["kind"] == "Namespace" {
                object["metadata"]["labels"][registration::label(NAME)] = json!("");
                namespaces.push(object["metadata"]["name"].as_str().context("a name")?.to_owned());
            }
            objects.apply(&object).await?;
        }
    }
    let first = namespaces.first().context("a namespace")?;
    for namespace in &namespaces {
        let account = json!({ "name": "default", "namespace": namespace });
        let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": account });
        eventually("the namespace has its account", async || objects.get(&account).await.ok()).await?;
    }
    registration::mutating(cluster, NAME, &webhook, first).await?;
    registration::validating(cluster, NAME, &webhook, first).await?;

    for example in &examples {
        let (accounts, others): (Vec<_>, Vec<_>) =
            example.workloads()?.into_iter().partition(|object| object["kind"] == "ServiceAccount");
        for object in accounts.iter().chain(&others) {
            apply(cluster, object).await.with_context(|| object["metadata"].to_string())?;
        }
    }
    for example in &examples {
        for workload in example.workloads()?.iter().filter(|object| kind_of(object).is_some()) {
            let name = workload["metadata"]["name"].as_str().context("a name")?;
            let made = made_of(cluster, workload).await.with_context(|| name.to_owned())?;
            // The pod that other tests look at, and send themselves.
            let mut sent = example.pod(name)?;
            sent["metadata"]["name"] = json!("sent");
            let sent = objects.dry_run_create(&sent).await.with_context(|| name.to_owned())?;
            let changes = json_patch::diff(&comparable(&sent), &comparable(&made));
            ensure!(changes.is_empty(), "{name} of {}: {changes:?}", example.name);
            let lists = ["initContainers", "containers"].map(|list| made["spec"][list].as_array());
            for container in lists.into_iter().flatten().flatten() {
                let dropped = at(container, "/securityContext/capabilities/drop");
                ensure!(dropped == &json!(["ALL"]), "{name} of {}: {container}", example.name);
            }
        }
    }
    Ok(())
}

/// Applies an object. A CronJob is due every minute, and the last time was long ago: so it is due now.
async fn apply(cluster: &ControlPlane, object: &Value) -> Result<()> {
    let objects = cluster.objects();
    let mut object = object.clone();
    let is_due = object["kind"] == "CronJob";
    if is_due {
        object["spec"]["schedule"] = json!("* * * * *");
    }
    let mut applied = objects.apply(&object).await?;
    if is_due {
        applied["status"] = json!({ "lastScheduleTime": "2026-01-01T00:00:00Z" });
        objects.replace(&applied, Some("status")).await?;
    }
    Ok(())
}

/// A pod that the controllers have made of a workload, once there is one.
async fn made_of(cluster: &ControlPlane, workload: &Value) -> Result<Value> {
    let objects = cluster.objects();
    let namespace = &workload["metadata"]["namespace"];
    let all = |api_version: &str, kind: &str| json!({ "apiVersion": api_version, "kind": kind, "metadata": { "namespace": namespace } });
    let between = match workload["kind"].as_str() {
        Some("Deployment") => Some(all("apps/v1", "ReplicaSet")),
        Some("CronJob") => Some(all("batch/v1", "Job")),
        _ => None,
    };
    let of = async |owner: &Value, objects_of_a_kind: &Value| {
        let all = objects.list(objects_of_a_kind).await.ok()?;
        let is_owner = |it: &Value| it["uid"] == owner["metadata"]["uid"];
        all.into_iter().find(|it| {
            it["metadata"]["ownerReferences"].as_array().is_some_and(|its| its.iter().any(is_owner))
        })
    };
    let workload = objects.get(workload).await?;
    eventually("the controllers have made a pod", async || {
        let maker = match &between {
            Some(between) => of(&workload, between).await?,
            None => workload.clone(),
        };
        of(&maker, &all("v1", "Pod")).await
    })
    .await
}

/// What of a pod does not depend on who sent it and when.
fn comparable(pod: &Value) -> Value {
    let mut spec = pod["spec"].clone();
    // The API server's own volume ends in something random.
    let volumes = spec["volumes"].as_array().into_iter().flatten();
    let random = volumes.filter_map(|it| it["name"].as_str()).find(|it| it.starts_with("kube-api-access-"));
    if let Some(random) = random {
        let named = spec.to_string().replace(random, "kube-api-access");
        spec = serde_json::from_str(&named).expect("it is still JSON");
    }
    spec
}
