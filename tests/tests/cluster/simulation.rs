//! What policies would do to what a cluster holds.

use std::process::Command;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::{cluster, pod, policy, program};

#[tokio::test(flavor = "multi_thread")]
async fn what_a_cluster_holds_is_put_to_its_policies_and_to_others() -> Result<()> {
    let cluster = cluster().await?;
    let objects = cluster.objects();
    let namespace = cluster.namespace(&[("tier", "gold")]).await?;
    let deployment = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": "api", "namespace": namespace },
        "spec": {
            "selector": { "matchLabels": { "app": "api" } },
            "template": {
                "metadata": { "labels": { "app": "api", "refuse": "me" } },
                "spec": { "containers": [{ "name": "api", "image": "registry.example.com/api:1" }] },
            },
        },
    });
    let made = objects.create(&deployment).await?;
    objects.create(&pod(&namespace, &json!({}))).await?;
    // What a controller would have made of it.
    let mut owned = pod(&namespace, &json!({ "refuse": "me" }));
    owned["metadata"]["ownerReferences"] = json!([{ "apiVersion": "apps/v1", "kind": "Deployment", "name": "api",
        "uid": made["metadata"]["uid"], "controller": true }]);
    objects.create(&owned).await?;
    let mut chosen = policy("chosen", "chosen");
    chosen["spec"]["mode"] = json!("Audit");
    chosen["spec"]["match"]["namespaceSelector"] = json!({ "matchLabels": { "tier": "gold" } });
    objects.create(&chosen).await?;

    let simulate = |more: &[&str]| -> Result<Vec<Value>> {
        let mut command = Command::new(program());
        command.args(["simulate", "-o", "json", "--kubeconfig"]).arg(cluster.kubeconfig()).args(more);
        let output = command.output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.code() == Some(1), "{}: {said}", output.status);
        Ok(String::from_utf8(output.stdout)?.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
    };
    let found = simulate(&[])?;
    let refused: Vec<&Value> =
        found.iter().filter(|line| line["refused"] == true).map(|line| &line["object"]).collect();
    ensure!(refused == [&json!(format!("Deployment {namespace}/api"))], "{found:?}");
    let entry = found.iter().find(|line| line["entry"] == "chosen/label").map(|line| &line["changed"]);
    ensure!(entry == Some(&json!(2)), "the Deployment's pod and the pod: {found:?}");

    // One that only completes pods is about those of Deployments too.
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("mutates.yaml");
    let mut mutates = policy("mutates", "x");
    mutates["spec"].as_object_mut().map(|spec| spec.remove("validate"));
    std::fs::write(&file, mutates.to_string())?;
    let mut command = Command::new(program());
    let kubeconfig = cluster.kubeconfig();
    let output = command
        .args(["simulate", "-o", "json", "-p"])
        .arg(&file)
        .arg("--kubeconfig")
        .arg(kubeconfig)
        .output()?;
    let found = String::from_utf8(output.stdout)?;
    ensure!(found.contains(&format!("Deployment {namespace}/api")), "{found}");
    let file = folder.path().join("all.yaml");
    std::fs::write(&file, policy("all", "all").to_string())?;
    let found = simulate(&["-p", &file.display().to_string()])?;
    ensure!(found.iter().any(|line| line["entry"] == "all/refuse" && line["refused"] == 1), "{found:?}");
    ensure!(!found.iter().any(|line| line["entry"] == "chosen/label"), "{found:?}");
    Ok(())
}
