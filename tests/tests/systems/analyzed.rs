//! What Istio itself says of the trees: `istioctl analyze`, without a cluster.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use sallyport_tests::programs;
use sallyport_tests::run_dir::RunDir;
use serde_json::{Value, json};

use crate::tree::Tree;

/// What is found in these objects, one line for each.
fn findings(objects: &[Value]) -> Result<Vec<String>> {
    let dir = RunDir::create()?;
    let file = dir.path().join("objects.yaml");
    let documents: Vec<String> = objects.iter().map(Value::to_string).collect();
    fs::write(&file, documents.join("\n---\n"))?;
    let mut istioctl = Command::new(programs::find("istioctl")?);
    istioctl
        .args(["analyze", "--use-kube=false", "--all-namespaces", "--output=json"])
        .arg(&file)
        .env("HOME", dir.path());
    let output = istioctl.output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    let found: Value = serde_json::from_slice(&output.stdout).with_context(|| said.into_owned())?;
    Ok(found.as_array().context("no list")?.iter().map(Value::to_string).collect())
}

#[test]
fn p9_istioctl_analyze_finds_nothing_in_any_tree() -> Result<()> {
    for tree in Tree::all()? {
        let found = findings(&tree.objects)?;
        ensure!(found.is_empty(), "{}: {}", tree.name, found.join("\n"));
    }
    Ok(())
}

/// What the test above would see if a route were wrong.
#[test]
fn p9_istioctl_analyze_finds_a_route_that_leads_nowhere() -> Result<()> {
    let mut objects = Tree::named("mini-visa")?.objects.clone();
    let route = objects.iter_mut().find(|object| object["kind"] == "VirtualService").context("no route")?;
    route["spec"]["http"][0]["route"][0]["destination"]["subset"] = json!("misspelt");
    let found = findings(&objects)?;
    ensure!(
        found.iter().any(|finding| finding.contains("IST0101") && finding.contains("misspelt")),
        "{found:?}"
    );
    Ok(())
}
