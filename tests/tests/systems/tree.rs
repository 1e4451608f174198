//! What a folder of the manifests gives: the objects that `kubectl apply -k` sends.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context as _, Result, anyhow, ensure};
use sallyport_tests::examples::{Example, manifests};
use sallyport_tests::programs;
use serde_json::Value;

use crate::workload::Workload;

/// A system, or one of its other environments.
pub(crate) struct Tree {
    /// The name of its folder.
    pub(crate) name: String,
    /// The folder of its system's policies.
    pub(crate) policies: PathBuf,
    /// Its objects, in the order in which they are applied.
    pub(crate) objects: Vec<Value>,
}

impl Tree {
    /// All of them, built once.
    pub(crate) fn all() -> Result<&'static [Self]> {
        static ALL: OnceLock<Result<Vec<Tree>, String>> = OnceLock::new();
        let all = ALL.get_or_init(|| build_all().map_err(|error| format!("{error:#}")));
        all.as_deref().map_err(|error| anyhow!("{error}"))
    }

    /// The one of this name.
    pub(crate) fn named(name: &str) -> Result<&'static Self> {
        Self::all()?.iter().find(|tree| tree.name == name).with_context(|| format!("there is no {name}"))
    }

    /// Its objects of a kind.
    pub(crate) fn of(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.objects.iter().filter(move |object| object["kind"] == kind)
    }

    /// Its object of this kind and name.
    pub(crate) fn get(&self, kind: &str, name: &str) -> Result<&Value> {
        let found = self.of(kind).find(|object| object["metadata"]["name"] == name);
        found.with_context(|| format!("{} has no {kind} {name}", self.name))
    }

    /// The namespace that it makes.
    pub(crate) fn namespace(&self) -> Result<&str> {
        let namespace = self.of("Namespace").next().context("no Namespace")?;
        namespace["metadata"]["name"].as_str().context("a Namespace without a name")
    }

    /// What makes pods in it.
    pub(crate) fn workloads(&self) -> Vec<Workload> {
        self.objects.iter().filter_map(Workload::of).collect()
    }
}

fn build_all() -> Result<Vec<Tree>> {
    let systems = Example::all()?;
    let mut all = Vec::new();
    for system in &systems {
        let folder = manifests().join("examples").join(&system.name);
        all.push(Tree { name: system.name.clone(), policies: system.policies(), objects: build(&folder)? });
    }
    for entry in fs::read_dir(manifests().join("environments"))? {
        let folder = entry?.path();
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let system = systems.iter().find(|system| name.starts_with(&system.name));
        let policies = system.with_context(|| format!("{name} is of no system"))?.policies();
        all.push(Tree { name, policies, objects: build(&folder)? });
    }
    Ok(all)
}

fn build(folder: &Path) -> Result<Vec<Value>> {
    let output = Command::new(programs::find("kustomize")?).arg("build").arg(folder).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success() && said.is_empty(), "{}: {said}", folder.display());
    let text = String::from_utf8(output.stdout)?;
    serde_saphyr::from_multiple(&text).with_context(|| folder.display().to_string())
}
