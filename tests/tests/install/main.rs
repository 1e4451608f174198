//! Installing: what the chart and the kustomizations give, and what becomes of it in a cluster.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context as _, Result, ensure};
use sallyport_tests::eventually::eventually;
use sallyport_tests::examples::manifests;
use sallyport_tests::objects::Objects;
use sallyport_tests::programs;
use sallyport_tests::run_dir::RunDir;
use serde_json::{Value, json};

mod accepted;
mod controllers;
mod guarded;
mod image;
mod lifecycle;
mod same;
mod started;
mod values;

/// The program, as cargo built it beside these tests.
fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_sallyport-under-test"))
}

fn chart() -> PathBuf {
    manifests().join("chart")
}

/// Runs helm, which keeps nothing beyond the call.
fn helm(args: &[&str]) -> Result<Output> {
    let dir = RunDir::create()?;
    let mut command = Command::new(programs::find("helm")?);
    for home in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
        command.env(home, dir.path());
    }
    Ok(command.args(args).output()?)
}

/// What the chart gives with these flags, without what `helm test` runs.
fn rendered(flags: &[&str]) -> Result<Vec<Value>> {
    let chart = chart().display().to_string();
    let template = ["template", "sallyport", &chart, "--namespace", "sallyport", "--no-hooks"];
    objects(&helm(&[&template, flags].concat())?)
}

/// What a folder of the manifests gives.
fn kustomized(folder: &str) -> Result<Vec<Value>> {
    built(&manifests().join(folder))
}

/// What a folder gives.
fn built(folder: &Path) -> Result<Vec<Value>> {
    objects(&Command::new(programs::find("kustomize")?).arg("build").arg(folder).output()?)
}

/// The objects that a program has printed.
fn objects(output: &Output) -> Result<Vec<Value>> {
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let documents: Vec<Value> = serde_saphyr::from_multiple(std::str::from_utf8(&output.stdout)?)?;
    Ok(documents.into_iter().filter(|document| !document.is_null()).collect())
}

/// The objects by what they are called.
fn by_name(objects: Vec<Value>) -> Result<BTreeMap<String, Value>> {
    let mut named = BTreeMap::new();
    for object in objects {
        let name = name(&object);
        ensure!(named.insert(name.clone(), object).is_none(), "{name} is there twice");
    }
    Ok(named)
}

fn name(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let metadata = &object["metadata"];
    let names = [&object["apiVersion"], &object["kind"], &metadata["namespace"], &metadata["name"]].map(text);
    names.join(" ")
}

/// The one object of this kind.
fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Result<&'a Value> {
    objects.iter().find(|object| object["kind"] == kind).with_context(|| format!("there is no {kind}"))
}

/// Returns once resources of this definition can be made.
async fn established(objects: &Objects, definition: &Value) -> Result<()> {
    let spec = &definition["spec"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let version = format!("{}/{}", text(&spec["group"]), text(&spec["versions"][0]["name"]));
    let resource = json!({ "apiVersion": version, "kind": spec["names"]["kind"] });
    eventually("its resources are served", async || objects.list(&resource).await.ok()).await?;
    Ok(())
}
