//! What makes pods, seen by its pod.

use sallyport_admission::offline::pod_of;
use sallyport_tests::examples::kind_of;
use serde_json::Value;

/// An object that makes pods.
pub(crate) struct Workload {
    /// Its kind.
    pub(crate) kind: String,
    /// Its name.
    pub(crate) name: String,
    /// The pod that it makes.
    pub(crate) pod: Value,
    /// How many: what it says itself.
    pub(crate) replicas: u64,
}

impl Workload {
    /// None for what makes no pods.
    pub(crate) fn of(object: &Value) -> Option<Self> {
        let pod = pod_of(kind_of(object)?, object)?.pod;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Some(Self {
            kind: text(&object["kind"]),
            name: text(&object["metadata"]["name"]),
            pod,
            replicas: object["spec"]["replicas"].as_u64().unwrap_or(1),
        })
    }

    /// The labels of its pod.
    pub(crate) fn labels(&self) -> &Value {
        &self.pod["metadata"]["labels"]
    }

    /// The service account of its pod.
    pub(crate) fn account(&self) -> &str {
        self.pod["spec"]["serviceAccountName"].as_str().unwrap_or("default")
    }

    /// The containers that its author wrote, those that run first among them.
    pub(crate) fn containers(&self) -> impl Iterator<Item = &Value> {
        let lists = ["initContainers", "containers"].map(|list| self.pod["spec"][list].as_array());
        lists.into_iter().flatten().flatten()
    }

    /// The ports that its containers listen on: name and number.
    pub(crate) fn ports(&self) -> Vec<(&str, u64)> {
        let ports = self.containers().filter_map(|container| container["ports"].as_array()).flatten();
        ports.filter_map(|port| Some((port["name"].as_str()?, port["containerPort"].as_u64()?))).collect()
    }
}
