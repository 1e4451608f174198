//! Sallyport keeps its own rules.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};
use sallyport_tests::run_dir::RunDir;
use serde_json::{Value, json};

use crate::{kustomized, of_kind, program, rendered};

/// What the program says of these objects under a strict policy: a line for each object, and whether all may pass.
fn judged(objects: &[Value]) -> Result<(Vec<Value>, bool)> {
    let dir = RunDir::create()?;
    let file = dir.path().join("objects.yaml");
    let documents: Vec<String> = objects.iter().map(Value::to_string).collect();
    fs::write(&file, documents.join("\n---\n"))?;
    let policy = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/install/restricted.yaml");
    let output =
        Command::new(program()).args(["admit", "-o", "json", "-p"]).arg(policy).arg(&file).output()?;
    let text = String::from_utf8(output.stdout)?;
    let lines: Vec<Value> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    ensure!(!lines.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok((lines, output.status.success()))
}

#[test]
fn its_pods_pass_a_strict_policy_unchanged() -> Result<()> {
    for objects in [kustomized("base")?, kustomized("overlays/cert-manager")?, rendered(&[])?] {
        let (lines, passed) = judged(&objects)?;
        let pods: Vec<&Value> = lines.iter().filter(|line| line["object"]["kind"] == "Pod").collect();
        ensure!(pods.len() == 1 && passed, "{lines:?}");
        ensure!(pods[0]["violations"] == json!([]) && pods[0]["warnings"] == json!([]), "{}", pods[0]);
    }
    Ok(())
}

#[test]
fn a_pod_that_lacks_any_of_it_does_not() -> Result<()> {
    let deployment = of_kind(&kustomized("base")?, "Deployment")?.clone();
    let pod = "/spec/template/spec";
    let container = "/spec/template/spec/containers/0";
    for (place, field, entry) in [
        (pod, "securityContext", "restricted"),
        (pod, "serviceAccountName", "account"),
        (pod, "topologySpreadConstraints", "spread"),
        (container, "securityContext", "hardened"),
        (container, "startupProbe", "probes"),
        (container, "readinessProbe", "probes"),
        (container, "livenessProbe", "probes"),
        (container, "resources", "resources"),
    ] {
        let mut lacking = deployment.clone();
        let removed =
            lacking.pointer_mut(place).and_then(Value::as_object_mut).and_then(|it| it.remove(field));
        ensure!(removed.is_some(), "{place} has no {field}");
        let (lines, passed) = judged(&[lacking])?;
        let told = lines.iter().any(|line| line["violations"].to_string().contains(&format!("\"{entry}\"")));
        ensure!(!passed && told, "without {field}: {lines:?}");
    }
    Ok(())
}
