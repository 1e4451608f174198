//! WorkloadPolicy: what workloads are given, and what they are refused for.

use sallyport_policy::{Duration, LabelSelector, StatusCondition};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{MutateEntry, ValidateEntry};
use crate::{Mode, Operation};

/// What workloads are given when they are created, and what they are refused for.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorkloadPolicySpec {
    /// What becomes of this policy's verdicts: Enforce (the default) returns mutations and refuses violations; Warn
    /// and Audit compute both and only report them, to the client or to the audit log.
    #[serde(default)]
    pub mode: Mode,
    /// What the API server does when Sallyport does not answer: Fail refuses the request, Ignore lets it pass. The
    /// default is Fail where an entry is in mode Enforce, else Ignore.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_policy: Option<FailurePolicy>,
    /// Policies apply in ascending priority; ties go by name. The default is 0.
    #[serde(default)]
    pub priority: i32,
    /// What happens when a controller (Deployment, Job, ...) would make pods that this policy refuses: Warn (the
    /// default) tells the client, Enforce refuses the controller, Ignore waits for the pods.
    #[serde(default)]
    pub controllers: ControllerHandling,
    /// Whether PolicyExceptions are honoured. By default none is.
    #[serde(default)]
    pub exceptions: ExceptionRules,
    /// The objects that the policy is about. All fields given must hold; of the entries of one field, any.
    #[serde(rename = "match")]
    pub matches: Scope,
    /// The objects, among those, that it is not about. All fields given must hold; of the entries of one field, any.
    #[serde(default)]
    pub exclude: Option<Scope>,
    /// What matching objects are given, in order.
    #[serde(default)]
    #[schemars(length(max = 128), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub mutate: Vec<MutateEntry>,
    /// What matching objects are refused for. Rules are judged on the object as mutation leaves it.
    #[serde(default)]
    #[schemars(length(max = 128), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub validate: Vec<ValidateEntry>,
}

/// What the API server does when the webhook does not answer. The default is Fail where an entry of the policy is in mode
/// Enforce, else Ignore.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
pub enum FailurePolicy {
    /// The request is refused.
    #[default]
    Fail,
    /// The request passes.
    Ignore,
}

/// What happens when a controller would make pods that the policy refuses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
pub enum ControllerHandling {
    /// The controller is refused.
    Enforce,
    /// The client is warned.
    #[default]
    Warn,
    /// Nothing: the pods are judged when they are created.
    Ignore,
}

/// Which PolicyExceptions a policy honours.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExceptionRules {
    /// The namespaces whose PolicyExceptions are honoured. Empty: none.
    #[serde(default)]
    #[schemars(length(max = 256))]
    pub namespaces: Vec<String>,
    /// The longest time that an exception may last, such as 720h.
    #[serde(default)]
    pub max_duration: Option<Duration>,
}

/// A set of requests: all fields given must hold; of the entries of one field, any.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Scope {
    /// Namespaces by name; `*` stands for any characters. An object without a namespace has none of them.
    #[serde(default)]
    #[schemars(length(max = 256))]
    pub namespaces: Vec<String>,
    /// Namespaces by label. The label `kubernetes.io/metadata.name` holds the name and can't be forged.
    #[serde(default)]
    pub namespace_selector: Option<LabelSelector>,
    /// Objects by label. Who writes the object writes its labels: a policy that selects by them can be evaded.
    #[serde(default)]
    pub object_selector: Option<LabelSelector>,
    /// Kinds: `Pod`, `Deployment`, or with its group `Certificate.cert-manager.io`; `*` for every kind.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub kinds: Vec<String>,
    /// Operations: CREATE, UPDATE, DELETE, CONNECT. The default is CREATE and UPDATE; in `exclude`, all
    /// of them.
    #[serde(default)]
    #[schemars(length(max = 4))]
    pub operations: Vec<Operation>,
    /// Users by name, such as `system:serviceaccount:ci:deployer`; `*` stands for any characters.
    #[serde(default)]
    #[schemars(length(max = 256))]
    pub users: Vec<String>,
    /// Groups of users; `*` stands for any characters.
    #[serde(default)]
    #[schemars(length(max = 256))]
    pub groups: Vec<String>,
    /// CEL expressions over `object`, `oldObject`, `request` and `namespaceObject`; all must be true.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub conditions: Vec<Condition>,
}

/// A named CEL condition.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Condition {
    /// The condition's name, for messages.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// A CEL expression that is true or false.
    #[schemars(length(min = 1, max = 4096))]
    pub expression: String,
}

/// What has become of the policy.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadPolicyStatus {
    /// The `metadata.generation` that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Accepted: the policy is right and in force. If not, the reason is Invalid, and the message holds every field
    /// that is wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<StatusCondition>,
}
