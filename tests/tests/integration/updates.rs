//! Pods that run are left alone: a pod's spec is nearly immutable, and a patch would be refused and hold up its end.

use std::fs;

use anyhow::Result;
use sallyport_tests::control_plane::ControlPlane;
use sallyport_tests::objects::Objects;
use sallyport_tests::registration::{self, UNSEEN};
use sallyport_tests::webhook::Webhook;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::program;

const POLICY: &str = r#"
apiVersion: sallyport.dev/v1alpha1
kind: WorkloadPolicy
metadata: {name: newer-than-the-pod}
spec:
  match: {kinds: [Pod, Deployment, Job], operations: [CREATE, UPDATE]}
  mutate:
  - name: restricted
    securityContext: {pod: {runAsNonRoot: true}, container: {allowPrivilegeEscalation: false}}
  - name: sized
    resources: {requests: {cpu: 10m}, limits: {memory: 64Mi}}
  - name: labelled
    metadata: {labels: {team: platform}}
  - name: shipper
    sidecar: {container: {name: shipper, image: "shipper:1"}}
"#;

/// A webhook, and pods that are older than its policy.
pub(crate) struct Running {
    pub(crate) cluster: &'static ControlPlane,
    pub(crate) webhook: Webhook,
    namespace: String,
    _policies: TempDir,
}

impl Running {
    pub(crate) async fn start(name: &str, policy: &str) -> Result<Self> {
        let cluster = ControlPlane::shared().await;
        let policies = tempfile::tempdir()?;
        fs::write(policies.path().join("policy.yaml"), policy)?;
        let webhook = Webhook::start(program(), &[policies.path().to_owned()]).await?;
        let namespace = cluster.namespace(&[(&registration::label(name), "")]).await?;
        registration::mutating(cluster, name, &webhook, &namespace).await?;
        Ok(Self { cluster, webhook, namespace, _policies: policies })
    }

    /// Sends objects past the webhook.
    pub(crate) fn unseen(&self) -> Objects {
        Objects::new(self.cluster.client_as("unseen", &["system:masters", UNSEEN]))
    }

    pub(crate) fn pod(&self, name: &str) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": { "name": name, "namespace": self.namespace },
            "spec": { "containers": [{ "name": "web", "image": "web:1" }] },
        })
    }

    /// How many updates were decided.
    async fn updates(&self) -> Result<f64> {
        self.webhook.metric("sallyport_admission_requests_total", &["operation=\"UPDATE\""]).await
    }
}

#[tokio::test]
async fn a_label_of_a_running_pod_can_be_changed() -> Result<()> {
    let running = Running::start("updates-label", POLICY).await?;
    let pod = running.unseen().create(&running.pod("web")).await?;
    let change = json!({ "metadata": { "labels": { "version": "v2" } } });
    let after = running.cluster.objects().merge(&pod, &change).await?;
    assert_eq!(running.updates().await?, 1.0);
    assert_eq!(after["metadata"]["labels"], json!({ "version": "v2" }));
    assert_eq!(after["spec"], pod["spec"]);
    Ok(())
}

#[tokio::test]
async fn a_finalizer_of_a_pod_that_ends_can_be_removed() -> Result<()> {
    let running = Running::start("updates-finalizer", POLICY).await?;
    let mut held = running.pod("held");
    held["metadata"]["finalizers"] = json!(["example.com/hold"]);
    let pod = running.unseen().create(&held).await?;
    let objects = running.cluster.objects();
    let ending = objects.delete(&pod).await?;
    assert!(ending["metadata"]["deletionTimestamp"].is_string(), "{ending}");
    objects.merge(&pod, &json!({ "metadata": { "finalizers": null } })).await?;
    assert_eq!(running.updates().await?, 1.0);
    let gone = objects.get(&pod).await;
    assert!(matches!(&gone, Err(kube::Error::Api(status)) if status.code == 404), "{gone:?}");
    Ok(())
}

#[tokio::test]
async fn a_resize_passes_as_it_is() -> Result<()> {
    let running = Running::start("updates-resize", POLICY).await?;
    let mut written = running.pod("web");
    written["spec"]["containers"][0]["resources"] =
        json!({ "requests": { "cpu": "100m" }, "limits": { "cpu": "200m" } });
    let mut pod = running.unseen().create(&written).await?;
    let resources = json!({ "requests": { "cpu": "150m" }, "limits": { "cpu": "300m" } });
    pod["spec"]["containers"][0]["resources"] = resources.clone();
    let after = running.cluster.objects().replace(&pod, Some("resize")).await?;
    assert_eq!(running.updates().await?, 1.0);
    assert_eq!(after["spec"], pod["spec"]);
    assert_eq!(after["metadata"]["labels"], Value::Null);
    Ok(())
}

#[tokio::test]
async fn a_running_job_is_left_alone_and_a_deployment_s_template_is_not() -> Result<()> {
    let running = Running::start("updates-controllers", POLICY).await?;
    let (unseen, objects) = (running.unseen(), running.cluster.objects());
    let metadata = json!({ "name": "web", "namespace": running.namespace });
    let template = json!({
        "metadata": { "labels": { "app": "web" } },
        "spec": { "restartPolicy": "Never", "containers": [{ "name": "web", "image": "web:1" }] },
    });
    let job = json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": { "template": template },
    });
    let job = unseen.create(&job).await?;
    let after = objects.merge(&job, &json!({ "spec": { "suspend": true } })).await?;
    assert_eq!(after["spec"]["template"], job["spec"]["template"]);

    let mut template = template;
    template["spec"]["restartPolicy"] = json!("Always");
    let spec = json!({ "selector": { "matchLabels": { "app": "web" } }, "template": template });
    let deployment =
        json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec });
    let deployment = unseen.create(&deployment).await?;
    let after = objects.merge(&deployment, &json!({ "spec": { "replicas": 3 } })).await?;
    assert_eq!(running.updates().await?, 2.0);
    assert_eq!(after["spec"]["template"]["spec"]["initContainers"][0]["name"], "shipper");
    assert_eq!(after["spec"]["template"]["spec"]["securityContext"]["runAsNonRoot"], true);
    Ok(())
}
