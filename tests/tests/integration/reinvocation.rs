//! Beside another injector, whoever is called first: what it adds is completed as well, once.

use anyhow::Result;
use sallyport_admission::{Operation, Request};
use sallyport_tests::control_plane::ControlPlane;
use sallyport_tests::foreign_webhook::ForeignWebhook;
use sallyport_tests::registration;
use sallyport_tests::webhook::{Webhook, at};
use serde_json::{Value, json};

use crate::program;

const POLICY: &str = r#"
apiVersion: sallyport.dev/v1alpha1
kind: WorkloadPolicy
metadata: {name: beside-an-injector}
spec:
  match: {kinds: [Pod]}
  mutate:
  - name: restricted
    securityContext:
      pod: {runAsNonRoot: true}
      container: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
  - name: tmp
    writablePaths: [{path: /tmp, sizeLimit: 1Mi}]
  - name: shipper
    sidecar: {container: {name: shipper, image: "shipper:1"}}
  - name: environment
    env: [{name: TEAM, value: platform}]
  - name: tolerant
    scheduling: {tolerations: [{key: pool, operator: Exists}]}
"#;

/// What an injector does: a container and a label, unless they are there.
fn inject(request: &Request) -> Option<Value> {
    let mut pod = request.object.clone();
    let containers = pod["spec"]["containers"].as_array_mut()?;
    if request.operation != Operation::Create || containers.iter().any(|it| it["name"] == "injected") {
        return None;
    }
    containers.push(json!({ "name": "injected", "image": "injected:1" }));
    pod["metadata"]["labels"]["injected"] = json!("yes");
    Some(pod)
}

#[tokio::test]
async fn what_another_webhook_adds_before_us_is_completed() -> Result<()> {
    // Webhooks are called in the order of their names.
    beside("b-ours", "a-injector").await
}

#[tokio::test]
async fn what_another_webhook_adds_after_us_is_completed_when_we_are_called_again() -> Result<()> {
    beside("c-ours", "d-injector").await
}

async fn beside(ours: &str, theirs: &str) -> Result<()> {
    let cluster = ControlPlane::shared().await;
    let policies = tempfile::tempdir()?;
    std::fs::write(policies.path().join("policy.yaml"), POLICY)?;
    let (our_label, their_label) = (registration::label(ours), registration::label(theirs));
    let namespace = cluster.namespace(&[(&our_label, ""), (&their_label, "")]).await?;
    let webhook = Webhook::start(program(), &[policies.path().to_owned()]).await?;
    let injector = ForeignWebhook::start(inject)?;
    registration::mutating(cluster, ours, &webhook, &namespace).await?;
    registration::mutating(cluster, theirs, &injector, &namespace).await?;

    let calls = async || webhook.metric("sallyport_admission_requests_total", &[]).await;
    let before = calls().await?;
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": "web", "namespace": namespace },
        "spec": { "containers": [{ "name": "web", "image": "web:1" }] },
    });
    let stored = cluster.objects().create(&pod).await?;
    // Whoever comes first is called once more for what the other did. Nobody is called a third time.
    let calls = calls().await? - before;
    assert!(calls == 2.0 || calls == 1.0 && theirs < ours, "called {calls} times");

    assert_eq!(stored["metadata"]["labels"]["injected"], "yes");
    let names = |list: &str| {
        let names = stored["spec"][list].as_array().into_iter().flatten().map(|it| it["name"].clone());
        names.collect::<Vec<_>>()
    };
    assert_eq!(names("containers"), ["web", "injected"]);
    assert_eq!(names("initContainers"), ["shipper"]);
    for pointer in ["/spec/containers/0", "/spec/containers/1", "/spec/initContainers/0"] {
        let container = at(&stored, pointer);
        let dropped = at(container, "/securityContext/capabilities/drop");
        assert_eq!(dropped, &json!(["ALL"]), "{container}");
        assert_eq!(at(container, "/securityContext/allowPrivilegeEscalation"), false, "{container}");
        assert_eq!(container["env"], json!([{ "name": "TEAM", "value": "platform" }]), "{container}");
        let mounts = container["volumeMounts"].as_array().into_iter().flatten();
        assert_eq!(mounts.filter(|it| it["mountPath"] == "/tmp").count(), 1, "{container}");
    }
    let volumes = stored["spec"]["volumes"].as_array().into_iter().flatten();
    assert_eq!(volumes.filter(|it| it["emptyDir"].is_object()).count(), 1, "{}", stored["spec"]["volumes"]);
    let tolerations = stored["spec"]["tolerations"].as_array().into_iter().flatten();
    assert_eq!(tolerations.filter(|it| it["key"] == "pool").count(), 1);

    // The stored pod, sent again under another name, is as it was.
    let mut again = stored.clone();
    again["metadata"] =
        json!({ "name": "again", "namespace": namespace, "labels": stored["metadata"]["labels"] });
    again.as_object_mut().unwrap().remove("status");
    let again = cluster.objects().dry_run_create(&again).await?;
    assert_eq!(json!(json_patch::diff(&stored["spec"], &again["spec"])), json!([]));
    Ok(())
}
