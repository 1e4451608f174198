//! What Kubernetes' controllers make of a refusal, and of objects that would be refused.

use anyhow::{Context as _, Result, bail, ensure};
use sallyport_tests::eventually::eventually;
use sallyport_tests::registration;
use sallyport_tests::webhook::Webhook;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{cluster, deployment, pod, program};

const POLICY: &str = r#"
apiVersion: sallyport.dev/v1alpha1
kind: WorkloadPolicy
metadata: {name: team}
spec:
  match: {kinds: [Pod], operations: [CREATE, UPDATE]}
  validate:
  - name: refuse
    cel:
      expression: "!has(object.metadata.labels.refuse)"
      message: the label refuse stands there
"#;

const FINALIZER: &str = "example.com/hold";

/// The webhook with that policy, and a pod of a namespace before it, which the policy would refuse and a finalizer holds.
struct Refusing {
    webhook: Webhook,
    held: Value,
    _policies: TempDir,
}

impl Refusing {
    /// Under a name of its own.
    async fn start(name: &str) -> Result<Self> {
        let cluster = cluster().await?;
        let namespace = cluster.namespace(&[(&*registration::label(name), "")]).await?;
        let mut held = pod(&namespace, "held");
        held["metadata"]["labels"]["refuse"] = json!("me");
        held["metadata"]["finalizers"] = json!([FINALIZER]);
        let held = cluster.objects().create(&held).await?;

        let policies = tempfile::tempdir()?;
        std::fs::write(policies.path().join("policy.yaml"), POLICY)?;
        let webhook = Webhook::start(program(), &[policies.path().to_owned()]).await?;
        registration::validating(cluster, name, &webhook, &namespace).await?;
        Ok(Self { webhook, held, _policies: policies })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn why_a_pod_is_refused_stands_in_an_event_of_its_replica_set() -> Result<()> {
    let refusing = Refusing::start("m-told").await?;
    let namespace = refusing.held["metadata"]["namespace"].as_str().context("a namespace")?;
    let objects = cluster().await?.objects();
    objects.create(&deployment(namespace, "web", &json!({ "refuse": "me" }))).await?;
    let events = json!({ "apiVersion": "v1", "kind": "Event", "metadata": { "namespace": namespace } });
    let event = eventually("the ReplicaSet tells", async || {
        let mut events = objects.list(&events).await.ok()?.into_iter();
        events.find(|it| it["reason"] == "FailedCreate" && it["involvedObject"]["kind"] == "ReplicaSet")
    })
    .await?;
    let message = event["message"].as_str().context("a message")?;
    ensure!(message.contains("team/refuse: the label refuse stands there"), "{message}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_goes_with_pods_that_would_be_refused_and_so_do_their_finalizers() -> Result<()> {
    let Refusing { webhook, held, _policies } = Refusing::start("m-goes").await?;
    let objects = cluster().await?.objects();
    // It would be: whoever changes it is refused.
    let change = json!({ "metadata": { "labels": { "refuse": "still" } } });
    let refused = objects.merge(&held, &change).await;
    let Err(kube::Error::Api(refused)) = refused else { bail!("it was not refused: {refused:?}") };
    ensure!(refused.message.contains("team/refuse"), "{}", refused.message);

    let namespace = json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": { "name": held["metadata"]["namespace"] },
    });
    objects.delete(&namespace).await?;
    eventually("the pod is to go", async || {
        let held = objects.get(&held).await.ok()?;
        held["metadata"]["deletionTimestamp"].is_string().then_some(())
    })
    .await?;
    let asked = async || webhook.metric("sallyport_admission_requests_total", &[]).await;
    let before = asked().await?;
    objects.merge(&held, &json!({ "metadata": { "finalizers": null } })).await?;
    ensure!(asked().await? > before, "nobody was asked about the finalizer");
    eventually("the namespace is gone", async || {
        let found = objects.get(&namespace).await;
        matches!(found, Err(kube::Error::Api(status)) if status.code == 404).then_some(())
    })
    .await
}
