//! A real API server takes every object of every tree, with the definitions of whoever else is installed.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use kube::Error;
use sallyport_tests::control_plane::ControlPlane;
use sallyport_tests::eventually::eventually;
use sallyport_tests::examples::{manifests, read, read_folder};
use sallyport_tests::objects::Objects;
use sallyport_tests::programs;
use serde_json::{Value, json};

use crate::tree::Tree;

#[tokio::test]
async fn v7_an_api_server_takes_every_tree_and_warns_of_nothing() -> Result<()> {
    let trees = Tree::all()?;
    let cluster = ControlPlane::start().await?;
    let objects = cluster.objects();
    define(&objects, trees).await?;
    for object in trees.iter().flat_map(|tree| &tree.objects) {
        if let Some(namespace) = object["metadata"]["namespace"].as_str() {
            // Without its labels: they would have the API server look at pods, which others do here.
            let metadata = json!({ "name": namespace });
            let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": metadata });
            objects.apply(&namespace).await?;
        }
    }
    let (mut taken, mut wrong) = (0, Vec::new());
    for tree in trees {
        for object in tree.objects.iter().filter(|object| object["kind"] != "Namespace") {
            let at = format!("{}: {} {}", tree.name, object["kind"], object["metadata"]["name"]);
            match objects.create_strictly(object, true).await {
                Ok(answer) if answer.warnings.is_empty() => taken += 1,
                Ok(answer) => wrong.push(format!("{at}: {:?}", answer.warnings)),
                Err(Error::Api(status)) => wrong.push(format!("{at}: {}", status.message)),
                Err(error) => return Err(error).context(at),
            }
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    ensure!(taken > 300, "only {taken} objects were found");
    Ok(())
}

/// Applies the definitions of those kinds that are used.
async fn define(objects: &Objects, trees: &[Tree]) -> Result<()> {
    let used: BTreeSet<(&str, &str)> = trees
        .iter()
        .flat_map(|tree| &tree.objects)
        .filter_map(|object| {
            let (group, _) = object["apiVersion"].as_str()?.split_once('/')?;
            Some((group, object["kind"].as_str()?))
        })
        .collect();
    let mut defined = Vec::new();
    for definition in definitions()? {
        let spec = &definition["spec"];
        let (group, kind) = (spec["group"].as_str(), spec["names"]["kind"].as_str());
        if group.zip(kind).is_some_and(|kind| used.contains(&kind)) {
            objects.apply(&definition).await?;
            let version = spec["versions"].as_array().into_iter().flatten().find(|it| it["served"] == true);
            let version = version.and_then(|it| it["name"].as_str()).context("no version is served")?;
            defined.push(json!({
                "apiVersion": format!("{}/{version}", group.unwrap_or_default()),
                "kind": kind,
            }));
        }
    }
    for kind in &defined {
        eventually("a kind is served", async || objects.list(kind).await.ok()).await?;
    }
    Ok(())
}

fn definitions() -> Result<Vec<Value>> {
    let mut all = read_folder(&manifests().join("crds"))?;
    all.extend(read(&programs::source("istio")?.join("manifests/charts/base/files/crd-all.gen.yaml"))?);
    for of in ["cert-manager", "external-secrets", "prometheus-operator"] {
        all.extend(read_folder(&programs::definitions(of)?)?);
    }
    all.extend(read(&programs::definitions("vertical-pod-autoscaler")?.join("vpa-v1-crd-gen.yaml"))?);
    Ok(all.into_iter().filter(|object| object["kind"] == "CustomResourceDefinition").collect())
}

/// A file that no kustomization lists is never applied.
#[test]
fn v7_every_file_of_a_system_is_in_its_tree() -> Result<()> {
    let mut missing = Vec::new();
    for system in fs::read_dir(manifests().join("examples"))? {
        let system = system?.path();
        if !system.is_dir() {
            continue;
        }
        let kustomization = read(&system.join("kustomization.yaml"))?.swap_remove(0);
        let listed: BTreeSet<&str> =
            kustomization["resources"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for folder in ["", "policies", "workloads"] {
            missing.extend(files(&system.join(folder))?.into_iter().filter_map(|name| {
                let path = Path::new(folder).join(name).display().to_string();
                let is_listed = path == "kustomization.yaml" || listed.contains(path.as_str());
                (!is_listed).then(|| system.join(path))
            }));
        }
    }
    ensure!(missing.is_empty(), "{missing:?}");
    Ok(())
}

fn files(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    Ok(names)
}
