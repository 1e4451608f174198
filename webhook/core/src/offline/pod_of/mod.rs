//! The pod that a controller would make of a workload.

mod daemon_set;
mod job;
mod stateful_set;

use serde_json::{Value, json};

use crate::object::{Fields, Pod, get, get_list, get_object, get_str, object_entry};
use crate::{PodBearing, UserInfo};

/// What stands in for the hash of a template. No real hash has this value: they are written in letters and
/// digits other than 0, 1 and 3 (k8s.io/apimachinery pkg/util/rand, SafeEncodeString).
const HASH: &str = "0000000000";

/// A pod as its controller sends it, and who that is.
#[derive(Clone, Debug, PartialEq)]
pub struct PodOf {
    /// The pod, before the API server's defaulting of Pods.
    pub pod: Value,
    /// The controller of the pod; none where nobody controls it.
    pub owner: Option<Owner>,
}

/// A controlling owner, as a pod's `metadata.ownerReferences` has it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    /// The kind, such as `ReplicaSet`.
    pub kind: String,
    /// The name.
    pub name: String,
}

impl Owner {
    /// The service account of the controller of such owners, where controllers have one each, as kubeadm sets them up.
    #[must_use]
    pub fn controller(&self) -> UserInfo {
        let controller = match self.kind.as_str() {
            "ReplicaSet" => "replicaset-controller",
            "StatefulSet" => "statefulset-controller",
            "DaemonSet" => "daemon-set-controller",
            "Job" => "job-controller",
            _ => "replication-controller",
        };
        let groups = ["system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"];
        UserInfo {
            username: format!("system:serviceaccount:kube-system:{controller}"),
            groups: groups.map(str::to_owned).to_vec(),
            ..UserInfo::default()
        }
    }
}

/// The pod that the controller of this object would create; the first, where it would create several.
///
/// It is the controller's request (pkg/controller of Kubernetes 1.36, GetPodFromTemplate and its callers):
/// [`apply_defaults`](super::apply_defaults) as a Pod makes of it what a webhook is shown. What only the
/// cluster knows has a stand-in or is left out:
/// * a Deployment's pod is of the ReplicaSet `NAME-0000000000`, and has this hash as label `pod-template-hash`; in the
///   same way, `controller-revision-hash` on the pods of StatefulSets and DaemonSets;
/// * a DaemonSet's pod is for the node `node`;
/// * a CronJob's Job is named `NAME-00000000`, for its time in minutes;
/// * an owner's `uid`, and labels that have it, are there if the object has one and owns the pod itself.
///
/// A Pod is its own pod, under the controller that it says it has. A PodTemplate's has no controller and no
/// name.
///
/// `None` where the object has no pod.
#[must_use]
pub fn pod_of(kind: PodBearing, object: &Value) -> Option<PodOf> {
    if kind == PodBearing::Pod {
        return Some(PodOf { pod: object.clone(), owner: controller(object) });
    }
    let namespace = get_str(object.as_object()?, &["metadata", "namespace"]);
    let mut pod = Draft::from_template(Pod::of(kind, object)?, namespace);
    if kind == PodBearing::PodTemplate {
        return Some(pod.finish(None));
    }
    let workload = Workload::of(object)?;
    let owner = match kind {
        PodBearing::Deployment => {
            pod.set_label("pod-template-hash", HASH);
            let name = format!("{}-{HASH}", workload.name);
            Controller { kind: PodBearing::ReplicaSet, name, uid: None }
        }
        PodBearing::StatefulSet => {
            stateful_set::complete(&mut pod, &workload);
            workload.owner(kind)
        }
        PodBearing::DaemonSet => {
            daemon_set::complete(&mut pod, &workload);
            workload.owner(kind)
        }
        PodBearing::Job => {
            let owner = workload.owner(kind);
            job::complete(&mut pod, workload.spec, &owner);
            owner
        }
        PodBearing::CronJob => {
            let name = format!("{}-{}", workload.name, job::MINUTES);
            let owner = Controller { kind: PodBearing::Job, name, uid: None };
            let spec = get_object(workload.spec, &["jobTemplate", "spec"])?;
            job::complete(&mut pod, spec, &owner);
            owner
        }
        _ => workload.owner(kind),
    };
    Some(pod.finish(Some(owner)))
}

/// The controller among the owners of an object.
fn controller(object: &Value) -> Option<Owner> {
    let owners = get_list(object.as_object()?, &["metadata", "ownerReferences"]);
    let owner =
        owners.iter().find(|owner| owner.get("controller") == Some(&Value::Bool(true)))?.as_object()?;
    Some(Owner { kind: get_str(owner, &["kind"])?.to_owned(), name: get_str(owner, &["name"])?.to_owned() })
}

/// What controllers read of a workload.
struct Workload<'o> {
    fields: &'o Fields,
    spec: &'o Fields,
    name: String,
}

impl<'o> Workload<'o> {
    fn of(object: &'o Value) -> Option<Self> {
        let fields = object.as_object()?;
        let name = match get_str(fields, &["metadata", "name"]) {
            Some(name) => name.to_owned(),
            // As long a name as the API server would generate.
            None => format!("{}00000", get_str(fields, &["metadata", "generateName"]).unwrap_or_default()),
        };
        Some(Self { fields, spec: get_object(fields, &["spec"])?, name })
    }

    fn owner(&self, kind: PodBearing) -> Controller {
        let uid = get_str(self.fields, &["metadata", "uid"]).map(str::to_owned);
        Controller { kind, name: self.name.clone(), uid }
    }
}

/// The owner of a pod that is being made.
struct Controller {
    kind: PodBearing,
    name: String,
    uid: Option<String>,
}

impl Controller {
    /// The owner reference, as metav1.NewControllerRef makes it.
    fn reference(&self) -> Value {
        let group = self.kind.group();
        let api_version = if group.is_empty() { "v1".to_owned() } else { format!("{group}/v1") };
        let mut reference = json!({
            "apiVersion": api_version,
            "kind": self.kind.kind(),
            "name": self.name,
            "controller": true,
            "blockOwnerDeletion": true,
        });
        if let (Some(uid), Some(fields)) = (&self.uid, reference.as_object_mut()) {
            fields.insert("uid".to_owned(), uid.as_str().into());
        }
        reference
    }
}

/// A pod that is being made.
struct Draft {
    metadata: Fields,
    spec: Fields,
}

impl Draft {
    /// Of a template's metadata a pod takes labels, annotations and finalizers, no more.
    fn from_template(template: Pod<'_>, namespace: Option<&str>) -> Self {
        let mut metadata = Fields::new();
        if let Some(namespace) = namespace {
            metadata.insert("namespace".to_owned(), namespace.into());
        }
        for field in ["labels", "annotations", "finalizers"] {
            if let Some(value) = get(template.template(), &["metadata", field]) {
                metadata.insert(field.to_owned(), value.clone());
            }
        }
        Self { metadata, spec: template.spec().clone() }
    }

    fn set_label(&mut self, key: &str, value: impl Into<Value>) {
        self.set("labels", key, value.into());
    }

    fn set_annotation(&mut self, key: &str, value: impl Into<Value>) {
        self.set("annotations", key, value.into());
    }

    fn set(&mut self, map: &str, key: &str, value: Value) {
        if let Some(map) = object_entry(&mut self.metadata, map) {
            map.insert(key.to_owned(), value);
        }
    }

    /// The pod under its owner, which its name starts with.
    fn finish(mut self, owner: Option<Controller>) -> PodOf {
        if let Some(owner) = &owner {
            self.metadata.entry("generateName").or_insert_with(|| format!("{}-", owner.name).into());
            self.metadata.insert("ownerReferences".to_owned(), json!([owner.reference()]));
        }
        PodOf {
            pod: json!({"apiVersion": "v1", "kind": "Pod", "metadata": self.metadata, "spec": self.spec}),
            owner: owner.map(|owner| Owner { kind: owner.kind.kind().to_owned(), name: owner.name }),
        }
    }
}
