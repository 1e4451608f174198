//! The five examples on the shared control plane, beside a webhook that has all their policies.

use anyhow::{Context as _, Result, anyhow, bail};
use kube::Error;
use sallyport_tests::control_plane::ControlPlane;
use sallyport_tests::examples::Example;
use sallyport_tests::objects::Objects;
use sallyport_tests::registration;
use sallyport_tests::webhook::Webhook;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::program;

/// The name of the webhook, and of the label of the namespaces that are before it.
pub(crate) const NAME: &str = "m-examples";

/// The examples, applied as their README says: policies first, then namespaces, then what pods refer to.
pub(crate) async fn examples() -> Result<&'static ControlPlane> {
    static INSTALLED: OnceCell<Result<Webhook, String>> = OnceCell::const_new();
    let cluster = ControlPlane::shared().await;
    let install = || async { install(cluster).await.map_err(|error| format!("{error:#}")) };
    INSTALLED.get_or_init(install).await.as_ref().map_err(|error| anyhow!("{error}"))?;
    Ok(cluster)
}

async fn install(cluster: &ControlPlane) -> Result<Webhook> {
    let examples = Example::all()?;
    let policies: Vec<_> = examples.iter().map(Example::policies).collect();
    let webhook = Webhook::start(program(), &policies).await?;
    let objects = cluster.objects();
    let mut namespaces = Vec::new();
    for example in &examples {
        let name = namespace(&objects, example).await.with_context(|| example.name.clone())?;
        namespaces.push(name);
    }
    registration::mutating(cluster, NAME, &webhook, &namespaces[0]).await?;
    registration::validating(cluster, NAME, &webhook, &namespaces[0]).await?;
    for example in &examples {
        for object in example.workloads()?.iter().filter(|object| object["kind"] == "ServiceAccount") {
            objects.apply(object).await.with_context(|| example.name.clone())?;
        }
    }
    Ok(webhook)
}

/// Applies the namespace of an example, and does what controllers would do with it.
async fn namespace(objects: &Objects, example: &Example) -> Result<String> {
    let mut name = String::new();
    for mut object in example.namespace()? {
        if object["kind"] == "Namespace" {
            let labels =
                object["metadata"]["labels"].as_object_mut().context("a namespace without labels")?;
            labels.insert(registration::label(NAME), json!(""));
            // The API server's own plugin speaks before webhooks, and would hide what ours say.
            labels.retain(|key, _| !key.starts_with("pod-security.kubernetes.io/"));
            name = object["metadata"]["name"].as_str().context("a namespace without a name")?.to_owned();
        }
        let mut applied = objects.apply(&object).await?;
        if object["kind"] == "ResourceQuota" {
            // Until somebody has counted, a quota lets nobody in.
            let used = applied["spec"]["hard"].as_object().into_iter().flatten().map(|(key, _)| (key, "0"));
            applied["status"] = json!({ "used": used.collect::<std::collections::BTreeMap<_, _>>() });
            applied["status"]["hard"] = applied["spec"]["hard"].clone();
            objects.replace(&applied, Some("status")).await?;
        }
    }
    let account = json!({ "name": "default", "namespace": name });
    objects.apply(&json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": account })).await?;
    Ok(name)
}

/// The example of this name.
pub(crate) fn example(name: &str) -> Result<Example> {
    Example::all()?.into_iter().find(|it| it.name == name).with_context(|| format!("no example {name}"))
}

/// What the API server would store of an object of an example, `dryRun=All`.
pub(crate) async fn admitted(object: &Value) -> Result<Value> {
    match examples().await?.objects().dry_run_create(object).await {
        Ok(stored) => Ok(stored),
        Err(Error::Api(status)) => bail!("{}: {}", object["metadata"], status.message),
        Err(error) => Err(error.into()),
    }
}

/// The pod that comes of a workload of an example.
pub(crate) async fn pod(example_name: &str, workload: &str) -> Result<Value> {
    admitted(&example(example_name)?.pod(workload)?).await
}
