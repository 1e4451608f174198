//! The mutation entries of a WorkloadPolicy: one action each.

use std::collections::BTreeMap;

use sallyport_policy::{LabelSelector, Quantity};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Embedded, Position, SecurityContexts};
use crate::Mode;

/// Something that matching objects are given: a name, conditions, and exactly one action.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "[has(self.securityContext), has(self.writablePaths), has(self.metadata), has(self.env), \
                 has(self.sidecar), has(self.initContainer), has(self.resources), has(self.probes), \
                 has(self.imagePullPolicy), has(self.scheduling), has(self.podAntiAffinity), has(self.topologySpread), \
                 has(self.automountServiceAccountToken), has(self.priorityClassName), has(self.patch)]\
                 .filter(given, given).size() == 1",
        "message": "an entry has exactly one action"
    },
    {
        "rule": "!has(self.imagePullPolicy) || (has(self.strategy) && self.strategy == 'Override')",
        "message": "imagePullPolicy needs strategy: Override, because the API server has always filled it in already"
    }
]))]
pub struct MutateEntry {
    /// The entry's name, unique in its list. Reports, exceptions and `explain` use it.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// The entry's own mode; by default the policy's.
    #[serde(default)]
    pub mode: Option<Mode>,
    /// Only objects with all these labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Which containers of the pod; by default containers, init containers and native sidecars. The mesh's own
    /// containers are always left alone.
    #[serde(default)]
    pub containers: Option<Containers>,
    /// Only objects for which this CEL expression over `object`, `oldObject`, `request` and `namespaceObject` is true.
    #[serde(default)]
    #[schemars(length(min = 1, max = 4096))]
    pub when: Option<String>,
    /// Default (the default) fills in what is not set, and the first entry to do so wins; Override sets it whatever
    /// it was, and the last wins.
    #[serde(default)]
    pub strategy: Strategy,
    /// Fills in security contexts of the pod and its containers.
    #[serde(default)]
    pub security_context: Option<SecurityContexts>,
    /// Makes paths writable by mounting emptyDir volumes there, unless something is mounted there already.
    #[serde(default)]
    #[schemars(length(min = 1, max = 32))]
    pub writable_paths: Option<Vec<WritablePath>>,
    /// Adds labels and annotations. The one action besides `patch` that applies to objects of any kind.
    #[serde(default)]
    pub metadata: Option<Metadata>,
    /// Adds environment variables (core/v1 EnvVar) to the selected containers, after their own.
    #[serde(default)]
    #[schemars(length(min = 1, max = 256))]
    pub env: Option<Vec<Embedded>>,
    /// Adds a sidecar.
    #[serde(default)]
    pub sidecar: Option<Sidecar>,
    /// Adds an init container.
    #[serde(default)]
    pub init_container: Option<InitContainer>,
    /// Fills in resource requests and limits of the selected containers, each resource by itself.
    #[serde(default)]
    pub resources: Option<Resources>,
    /// Fills in probes of the selected containers; never of ordinary init containers, which can't have any.
    #[serde(default)]
    pub probes: Option<Probes>,
    /// Sets the image pull policy of the selected containers. Needs strategy Override.
    #[serde(default)]
    pub image_pull_policy: Option<ImagePullPolicy>,
    /// Fills in the node selector, tolerations and affinity.
    #[serde(default)]
    pub scheduling: Option<Scheduling>,
    /// Keeps the pod apart from its like. Left alone where the pod has a podAntiAffinity of its own.
    #[serde(default)]
    pub pod_anti_affinity: Option<PodAntiAffinity>,
    /// Spreads pods over zones, nodes or other domains; a topology key that the pod spreads over itself is left alone.
    #[serde(default)]
    #[schemars(length(min = 1, max = 16))]
    pub topology_spread: Option<Vec<TopologySpread>>,
    /// Fills in `spec.automountServiceAccountToken`; false also removes the token volume that the API server added.
    #[serde(default)]
    pub automount_service_account_token: Option<bool>,
    /// Fills in the priority class and clears `priority` and `preemptionPolicy`, which the API server computes anew.
    /// Needs strategy Override in a cluster with a class that is `globalDefault`: the API server has named that one in
    /// every pod that had none, and it counts as set.
    #[serde(default)]
    #[schemars(length(min = 1, max = 253))]
    pub priority_class_name: Option<String>,
    /// RFC 6902 operations, applied after everything else and all or none. `add` creates missing parents.
    #[serde(default)]
    #[schemars(length(min = 1, max = 64))]
    pub patch: Option<Vec<JsonPatchOperation>>,
}

/// Which containers of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Containers {
    /// By name; `*` stands for any characters. Empty: every name.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub names: Vec<String>,
    /// By type. Empty: container, init and sidecar.
    #[serde(default)]
    #[schemars(length(max = 4))]
    pub types: Vec<ContainerType>,
}

/// What a container is in its pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ContainerType {
    /// An entry of `spec.containers`.
    Container,
    /// An entry of `spec.initContainers` that runs to completion.
    Init,
    /// An entry of `spec.initContainers` with `restartPolicy: Always` (KEP-753).
    Sidecar,
    /// An entry of `spec.ephemeralContainers`.
    Ephemeral,
}

/// Whether a set field is left alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
pub enum Strategy {
    /// Only what is not set is filled in; the first entry wins.
    #[default]
    Default,
    /// Set whatever it was; the last entry wins.
    Override,
}

/// A path that a container may write to though its root file system is read-only.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WritablePath {
    /// The absolute path in the container.
    #[schemars(length(min = 2, max = 1024), regex(pattern = "^/[^:]+$"))]
    pub path: String,
    /// The most that may be written there, over all containers that share the volume.
    #[serde(default)]
    pub size_limit: Option<Quantity>,
    /// A shared volume of this name. Without it each container has a directory of its own.
    #[serde(default)]
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub volume: Option<String>,
    /// Memory for a tmpfs; by default the node's disk.
    #[serde(default)]
    pub medium: Option<EmptyDirMedium>,
}

/// What an emptyDir volume is kept in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum EmptyDirMedium {
    /// A tmpfs, which counts as the containers' memory.
    Memory,
}

/// Labels and annotations to add.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metadata {
    /// Labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
}

/// A container that runs beside the pod's own.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sidecar {
    /// Native (the default): an init container with `restartPolicy: Always`, which starts before the pod's containers
    /// and does not keep a Job from finishing. Classic: one more container.
    #[serde(default)]
    pub r#type: SidecarType,
    /// Where a native sidecar is put among the init containers.
    #[serde(default)]
    pub position: Position,
    /// The container (core/v1 Container). Left out where the pod has a container of that name, and reported where that
    /// is another one.
    pub container: Embedded,
    /// Volumes (core/v1 Volume) that the container mounts. A volume of the same name and source in the pod is used as it
    /// is; where the source differs, the container is left out and reported.
    #[serde(default)]
    #[schemars(length(max = 32))]
    pub volumes: Vec<Embedded>,
}

/// How a sidecar runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum SidecarType {
    /// An init container with `restartPolicy: Always` (KEP-753).
    #[default]
    Native,
    /// One more container of the pod.
    Classic,
}

/// A container that runs to completion before the pod's own start.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InitContainer {
    /// Where it is put among the init containers.
    #[serde(default)]
    pub position: Position,
    /// The container (core/v1 Container). Left out where the pod has a container of that name, and reported where that
    /// is another one.
    pub container: Embedded,
    /// Volumes (core/v1 Volume) that the container mounts. A volume of the same name and source in the pod is used as it
    /// is; where the source differs, the container is left out and reported.
    #[serde(default)]
    #[schemars(length(max = 32))]
    pub volumes: Vec<Embedded>,
}

/// Resource requests and limits.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Resources {
    /// What the scheduler sets aside, by resource.
    #[serde(default)]
    pub requests: BTreeMap<String, Quantity>,
    /// The most that the container may use, by resource.
    #[serde(default)]
    pub limits: BTreeMap<String, Quantity>,
}

/// Probes (core/v1 Probe).
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Probes {
    /// Whether the container has started.
    #[serde(default)]
    pub startup: Option<Embedded>,
    /// Whether the container is to be restarted.
    #[serde(default)]
    pub liveness: Option<Embedded>,
    /// Whether the container takes traffic.
    #[serde(default)]
    pub readiness: Option<Embedded>,
}

/// When the kubelet pulls an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum ImagePullPolicy {
    /// At every start, which also checks the pod's right to the image.
    Always,
    /// When the node does not have it.
    IfNotPresent,
    /// Never.
    Never,
}

/// Where pods may run.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Scheduling {
    /// Labels that the node must have, each filled in by itself.
    #[serde(default)]
    pub node_selector: BTreeMap<String, String>,
    /// Tolerations (core/v1 Toleration), added to the pod's own.
    #[serde(default)]
    #[schemars(length(max = 32))]
    pub tolerations: Vec<Embedded>,
    /// Affinity (core/v1 Affinity): nodeAffinity, podAffinity and podAntiAffinity, each filled in as a whole.
    #[serde(default)]
    pub affinity: Option<Embedded>,
}

/// Keeps a pod apart from other pods of the same labels.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "has(self.labelsFromPod) != has(self.labelSelector)",
    "message": "give exactly one of labelsFromPod and labelSelector"
}, {
    "rule": "self.type == 'Preferred' || !has(self.weight)",
    "message": "weight goes with type Preferred only"
}]))]
pub struct PodAntiAffinity {
    /// Preferred or Required.
    pub r#type: PodAntiAffinityType,
    /// How much a preference weighs, from 1 to 100; 100 by default.
    #[serde(default)]
    #[schemars(range(min = 1, max = 100))]
    pub weight: Option<i32>,
    /// The node label whose values are the domains to keep apart in, such as kubernetes.io/hostname.
    #[schemars(length(min = 1, max = 317))]
    pub topology_key: String,
    /// Apart from pods that share this pod's values of these labels.
    #[serde(default)]
    #[schemars(length(min = 1, max = 16))]
    pub labels_from_pod: Option<Vec<String>>,
    /// Apart from pods that this selects.
    #[serde(default)]
    pub label_selector: Option<LabelSelector>,
}

/// Whether pods must or should be kept apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum PodAntiAffinityType {
    /// The scheduler tries.
    Preferred,
    /// The pod waits until it can be.
    Required,
}

/// Spreads pods of the same labels over domains (core/v1 TopologySpreadConstraint).
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "has(self.labelsFromPod) != has(self.labelSelector)",
    "message": "give exactly one of labelsFromPod and labelSelector"
}]))]
pub struct TopologySpread {
    /// The node label whose values are the domains, such as topology.kubernetes.io/zone.
    #[schemars(length(min = 1, max = 317))]
    pub topology_key: String,
    /// By how many pods domains may differ; 1 by default.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub max_skew: Option<i32>,
    /// DoNotSchedule or ScheduleAnyway.
    pub when_unsatisfiable: UnsatisfiableAction,
    /// The fewest domains, with DoNotSchedule.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub min_domains: Option<i32>,
    /// Pods that share this pod's values of these labels are counted.
    #[serde(default)]
    #[schemars(length(min = 1, max = 16))]
    pub labels_from_pod: Option<Vec<String>>,
    /// Pods that this selects are counted.
    #[serde(default)]
    pub label_selector: Option<LabelSelector>,
    /// Labels such as pod-template-hash by which the API server narrows the count to one revision.
    #[serde(default)]
    #[schemars(length(max = 16))]
    pub match_label_keys: Vec<String>,
}

/// What the scheduler does when pods can't be spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum UnsatisfiableAction {
    /// The pod waits.
    DoNotSchedule,
    /// The pod is placed all the same, where it skews least.
    ScheduleAnyway,
}

/// One operation of RFC 6902.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
// Whether there is a value, no rule can see: CEL in the API server knows only fields that have a type.
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "(self.op in ['move', 'copy']) == has(self.from)",
    "message": "move and copy need from, and only they"
}]))]
pub struct JsonPatchOperation {
    /// add, remove, replace, move, copy or test.
    pub op: JsonPatchOp,
    /// The JSON pointer (RFC 6901) of the field.
    #[schemars(length(min = 1, max = 1024), regex(pattern = "^/"))]
    pub path: String,
    /// The JSON pointer that move and copy take from.
    #[serde(default)]
    #[schemars(length(min = 1, max = 1024), regex(pattern = "^/"))]
    pub from: Option<String>,
    /// The value.
    #[serde(default, deserialize_with = "given")]
    #[schemars(schema_with = "any_value")]
    pub value: Option<Value>,
}

/// Keeps `value: null` apart from no value.
fn given<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

fn any_value(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"x-kubernetes-preserve-unknown-fields": true, "nullable": true})
}

/// The operations of RFC 6902, section 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum JsonPatchOp {
    /// Adds or replaces a member, or inserts an element.
    Add,
    /// Removes what is there.
    Remove,
    /// Replaces what is there.
    Replace,
    /// Moves from another place.
    Move,
    /// Copies from another place.
    Copy,
    /// Stops the entry unless the value is this.
    Test,
}
