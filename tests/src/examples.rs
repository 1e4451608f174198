//! The five systems under `manifests/examples`, as objects.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use sallyport_admission::offline::pod_of;
use sallyport_admission::{GroupVersionKind, PodBearing};
use serde_json::{Value, json};

/// One system: its namespace, its workloads, and the policies that they are put to.
pub struct Example {
    /// The name of its folder.
    pub name: String,
    dir: PathBuf,
}

impl Example {
    /// All of them.
    ///
    /// # Errors
    /// When their folder cannot be read.
    pub fn all() -> Result<Vec<Self>> {
        let mut all = Vec::new();
        for entry in fs::read_dir(manifests().join("examples"))? {
            let dir = entry?.path();
            if dir.is_dir() {
                let name = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
                all.push(Self { name, dir });
            }
        }
        all.sort_by(|a, b| a.name.cmp(&b.name));
        ensure!(all.len() >= 5, "only {} examples were found", all.len());
        Ok(all)
    }

    /// The folder of its policies.
    #[must_use]
    pub fn policies(&self) -> PathBuf {
        self.dir.join("policies")
    }

    /// Its TrafficPolicies.
    ///
    /// # Errors
    /// When the file is no YAML.
    pub fn traffic_policies(&self) -> Result<Vec<Value>> {
        read(&self.policies().join("traffic.yaml"))
    }

    /// Its Namespace and what belongs to that: quotas and limits.
    ///
    /// # Errors
    /// When the file is no YAML.
    pub fn namespace(&self) -> Result<Vec<Value>> {
        read(&self.dir.join("namespace.yaml"))
    }

    /// Its workloads and all that stands beside them, in the order of their files.
    ///
    /// # Errors
    /// When a file is no YAML.
    pub fn workloads(&self) -> Result<Vec<Value>> {
        read_folder(&self.dir.join("workloads"))
    }

    /// The first pod of each of its workloads, as a controller would send it.
    ///
    /// # Errors
    /// As for [`workloads`](Self::workloads).
    pub fn pods(&self) -> Result<Vec<Value>> {
        Ok(self.workloads()?.iter().filter_map(pod).collect())
    }

    /// The first pod of the workload of this name.
    ///
    /// # Errors
    /// When there is none.
    pub fn pod(&self, workload: &str) -> Result<Value> {
        let workloads = self.workloads()?;
        let mut named = workloads.iter().filter(|object| object["metadata"]["name"] == workload);
        named.find_map(pod).with_context(|| format!("{} has no workload {workload}", self.name))
    }
}

/// The folder `manifests` of this project.
#[must_use]
pub fn manifests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests")
}

/// The documents of a YAML file.
///
/// # Errors
/// When it cannot be read or is no YAML: with its name.
pub fn read(file: &Path) -> Result<Vec<Value>> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let documents: Vec<Value> =
        serde_saphyr::from_multiple(&text).with_context(|| file.display().to_string())?;
    Ok(documents.into_iter().filter(|document| !document.is_null()).collect())
}

/// The documents of all YAML files in a folder, in the order of their names.
///
/// # Errors
/// As for [`read`].
pub fn read_folder(folder: &Path) -> Result<Vec<Value>> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.sort();
    let mut documents = Vec::new();
    for file in files.iter().filter(|file| file.extension().is_some_and(|it| it == "yaml")) {
        documents.extend(read(file)?);
    }
    Ok(documents)
}

/// What kind of object with a pod this is.
#[must_use]
pub fn kind_of(object: &Value) -> Option<PodBearing> {
    let (group, version) = object["apiVersion"].as_str()?.split_once('/').unwrap_or(("", "v1"));
    let (group, version, kind) = (group.into(), version.into(), object["kind"].as_str()?.into());
    PodBearing::of(&GroupVersionKind { group, version, kind })
}

/// The first pod of a workload, ready to be sent: its owner has a uid, though there is none.
fn pod(workload: &Value) -> Option<Value> {
    let mut pod = pod_of(kind_of(workload)?, workload)?.pod;
    for owner in pod["metadata"]["ownerReferences"].as_array_mut().into_iter().flatten() {
        owner["uid"] = json!("00000000-0000-4000-8000-000000000000");
    }
    Some(pod)
}
