//! Helm and kustomize install the same.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use sallyport_tests::examples::manifests;
use sallyport_tests::run_dir::RunDir;
use serde_json::{Value, json};

use crate::{by_name, kustomized, of_kind, rendered};

/// What the chart gives, without what is Helm's alone: that definitions are kept.
fn of_chart(flags: &[&str]) -> Result<BTreeMap<String, Value>> {
    let mut objects = rendered(flags)?;
    let mut kept = 0;
    for definition in objects.iter_mut().filter(|object| object["kind"] == "CustomResourceDefinition") {
        let metadata = definition["metadata"].as_object_mut().into_iter();
        let annotations: Vec<_> = metadata.filter_map(|metadata| metadata.remove("annotations")).collect();
        ensure!(annotations == [json!({ "helm.sh/resource-policy": "keep" })], "{annotations:?}");
        kept += 1;
    }
    ensure!(kept == 3, "{kept} definitions");
    by_name(objects)
}

/// What a folder gives, without the namespace, which Helm makes itself.
fn of_folder(folder: &str) -> Result<BTreeMap<String, Value>> {
    let objects = kustomized(folder)?;
    by_name(objects.into_iter().filter(|object| object["kind"] != "Namespace").collect())
}

/// One by one, so that a difference is found in what is told of it.
fn same(chart: &BTreeMap<String, Value>, folder: &BTreeMap<String, Value>) -> Result<()> {
    assert_eq!(chart.keys().collect::<Vec<_>>(), folder.keys().collect::<Vec<_>>());
    for (name, object) in chart {
        ensure!(*object == folder[name], "{name}: the chart gives\n{object}\nthe folder\n{}", folder[name]);
    }
    Ok(())
}

#[test]
fn the_chart_and_the_base_give_the_same() -> Result<()> {
    let base = of_folder("base")?;
    ensure!(base.len() >= 15, "only {} objects", base.len());
    same(&of_chart(&[])?, &base)
}

#[test]
fn the_chart_and_the_overlay_give_the_same_with_cert_manager() -> Result<()> {
    let overlay = of_folder("overlays/cert-manager")?;
    ensure!(overlay != of_folder("base")?, "the overlay changes nothing");
    same(&of_chart(&["--set", "certificates.from=cert-manager"])?, &overlay)
}

#[test]
fn the_chart_and_the_overlay_give_the_same_to_prometheus() -> Result<()> {
    let mut both = of_folder("base")?;
    both.extend(of_folder("overlays/monitoring")?);
    same(&of_chart(&["--set", "serviceMonitor.enabled=true"])?, &both)
}

#[test]
fn every_value_reaches_what_it_is_about() -> Result<()> {
    let digest = format!("sha256:{}", "0".repeat(64));
    let values = json!({
        "image": {
            "repository": "registry.example.com/sallyport", "tag": "2.0.0", "digest": digest,
            "pullPolicy": "Always",
        },
        "imagePullSecrets": [{ "name": "registry" }],
        "excludeNamespaces": ["istio-system", "kube-flannel"],
        "extraArgs": ["--timeout=10"],
        "extraEnv": [{ "name": "RUST_LOG", "value": "debug" }],
        "listenAddress": "0.0.0.0",
        "certificates": { "from": "secret", "secret": "ours" },
        "autoscaling": { "enabled": false },
        "replicas": 3,
        "resources": { "requests": { "cpu": "1", "memory": "1Gi" }, "limits": { "memory": "1Gi" } },
        "priorityClassName": "ours",
        "nodeSelector": { "kubernetes.io/os": "linux" },
        "tolerations": [{ "operator": "Exists" }],
        "affinity": { "nodeAffinity": {} },
        "networkPolicy": { "apiServer": ["192.0.2.1/32"], "egress": [{ "ports": [{ "port": 6443 }] }] },
        "crds": { "enabled": false },
        "serviceMonitor": { "enabled": true, "labels": { "release": "prometheus" } },
    });
    let dir = RunDir::create()?;
    let file = dir.path().join("values.yaml");
    std::fs::write(&file, values.to_string())?;
    let objects = rendered(&["--values", &file.display().to_string()])?;
    let find = |kind: &str| of_kind(&objects, kind).cloned();

    let deployment = find("Deployment")?;
    assert_eq!(deployment["spec"]["replicas"], 3);
    let pod = &deployment["spec"]["template"]["spec"];
    for field in ["imagePullSecrets", "priorityClassName", "nodeSelector", "tolerations", "affinity"] {
        assert_eq!(pod[field], values[field], "{field}");
    }
    assert_eq!(pod["volumes"], json!([{ "name": "certificates", "secret": { "secretName": "ours" } }]));
    let container = &pod["containers"][0];
    assert_eq!(container["image"], format!("registry.example.com/sallyport:2.0.0@{digest}"));
    assert_eq!(container["imagePullPolicy"], "Always");
    assert_eq!(container["resources"], values["resources"]);
    assert_eq!(container["env"][1], values["extraEnv"][0]);
    assert_eq!(
        container["args"],
        json!([
            "serve",
            "--listen=0.0.0.0:8443",
            "--operations=0.0.0.0:8080",
            "--filter-listen=0.0.0.0:8081",
            "--owner=sallyport",
            "--log-format=json",
            "--exclude-namespace=istio-system",
            "--exclude-namespace=kube-flannel",
            "--tls-cert=/certificates/tls.crt",
            "--tls-key=/certificates/tls.key",
            "--tls-ca=/certificates/ca.crt",
            "--timeout=10",
        ])
    );
    let policy = find("NetworkPolicy")?;
    assert_eq!(policy["spec"]["ingress"][0]["from"], json!([{ "ipBlock": { "cidr": "192.0.2.1/32" } }]));
    assert_eq!(policy["spec"]["policyTypes"], json!(["Ingress", "Egress"]));
    assert_eq!(policy["spec"]["egress"], values["networkPolicy"]["egress"]);
    assert_eq!(find("ServiceMonitor")?["metadata"]["labels"]["release"], "prometheus");
    for kind in ["CustomResourceDefinition", "HorizontalPodAutoscaler", "ResourceQuota", "Certificate"] {
        assert!(find(kind).is_err(), "there is a {kind}");
    }
    Ok(())
}

#[test]
fn the_kustomization_that_the_documents_show_changes_image_and_arguments() -> Result<()> {
    let text = std::fs::read_to_string(manifests().join("../docs/install.md"))?;
    let block = text.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next());
    let dir = RunDir::create()?;
    std::fs::write(dir.path().join("kustomization.yaml"), block.context("no kustomization is shown")?)?;
    std::os::unix::fs::symlink(std::fs::canonicalize(manifests())?, dir.path().join("manifests"))?;
    let objects = crate::built(dir.path())?;
    let container = &of_kind(&objects, "Deployment")?["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["image"], "registry.example.com/sallyport:0.1.0");
    let args = container["args"].to_string();
    ensure!(args.contains("--exclude-namespace=istio-system") && args.contains("--cert-manager="), "{args}");
    of_kind(&objects, "ServiceMonitor")?;
    Ok(())
}
