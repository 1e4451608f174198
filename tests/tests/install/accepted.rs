//! A real API server takes all that is installed, and lets the pods of it in.

use anyhow::{Context as _, Result, ensure};
use kube::Error;
use sallyport_admission::offline::pod_of;
use sallyport_tests::control_plane::ControlPlane;
use sallyport_tests::examples::{kind_of, read_folder};
use sallyport_tests::objects::Objects;
use sallyport_tests::programs;
use serde_json::{Value, json};

use crate::{chart, established, helm, kustomized, name, objects, of_kind};

/// A cluster that cert-manager and the Prometheus operator have given their definitions to, with Sallyport's namespace.
async fn cluster() -> Result<ControlPlane> {
    let cluster = ControlPlane::start().await?;
    let objects = cluster.objects();
    for others in ["cert-manager", "prometheus-operator"] {
        let used = [
            "certificates.cert-manager.io",
            "issuers.cert-manager.io",
            "servicemonitors.monitoring.coreos.com",
        ];
        for definition in read_folder(&programs::definitions(others)?)? {
            if used.iter().any(|name| definition["metadata"]["name"] == *name) {
                objects.apply(&definition).await?;
                established(&objects, &definition).await?;
            }
        }
    }
    Ok(cluster)
}

/// Strictly, without a warning, and without storing it.
async fn takes(cluster: &Objects, object: &Value) -> Result<()> {
    let answer = cluster.create_strictly(object, true).await.with_context(|| name(object))?;
    ensure!(answer.warnings.is_empty(), "{}: {:?}", name(object), answer.warnings);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_server_takes_every_object_of_every_folder_and_of_the_chart() -> Result<()> {
    let cluster = cluster().await?;
    let server = cluster.objects();
    server.apply(of_kind(&kustomized("base")?, "Namespace")?).await?;
    account(&server).await?;
    let chart = chart().display().to_string();
    let all = [
        "serviceMonitor.enabled=true,certificates.from=cert-manager",
        "certificates.from=secret,certificates.secret=a",
    ];
    let mut given = Vec::new();
    for folder in ["crds", "base", "overlays/cert-manager", "overlays/monitoring"] {
        given.extend(kustomized(folder)?);
    }
    for values in all {
        let template = ["template", "sallyport", &chart, "--namespace", "sallyport", "--set", values];
        given.extend(objects(&helm(&template)?)?);
    }
    // It is there already.
    given.retain(|object| object["kind"] != "Namespace");
    ensure!(given.iter().any(|object| object["kind"] == "Pod"), "what `helm test` runs is among them");
    for object in &given {
        takes(&server, object).await?;
    }
    Ok(())
}

/// Makes the account that every namespace has, as a controller would.
async fn account(server: &Objects) -> Result<()> {
    let account = json!({ "name": "default", "namespace": "sallyport" });
    server.apply(&json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": account })).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_namespace_lets_sallyports_pods_in_and_no_others() -> Result<()> {
    let cluster = ControlPlane::start().await?;
    let server = cluster.objects();
    let base = kustomized("base")?;
    server.apply(of_kind(&base, "Namespace")?).await?;
    server.apply(of_kind(&base, "ServiceAccount")?).await?;
    let mut quota = server.apply(of_kind(&base, "ResourceQuota")?).await?;
    // Until somebody has counted, a quota lets nobody in.
    quota["status"] = json!({ "hard": quota["spec"]["hard"], "used": { "pods": "0" } });
    server.replace(&quota, Some("status")).await?;
    let deployment = of_kind(&base, "Deployment")?;
    let mut pod =
        pod_of(kind_of(deployment).context("a Deployment has a pod")?, deployment).context("no pod")?.pod;
    for owner in pod["metadata"]["ownerReferences"].as_array_mut().into_iter().flatten() {
        owner["uid"] = json!("00000000-0000-4000-8000-000000000000");
    }
    takes(&server, &pod).await?;

    pod["spec"]["containers"][0]["securityContext"]["capabilities"] = json!({ "drop": ["NET_RAW"] });
    let refused = server.create_strictly(&pod, true).await;
    let Err(Error::Api(refused)) = refused else { anyhow::bail!("it was not refused: {refused:?}") };
    ensure!(refused.message.contains("violates PodSecurity \"restricted"), "{}", refused.message);
    Ok(())
}
