//! The validation entries of a WorkloadPolicy: one rule each.

use std::collections::BTreeMap;

use sallyport_policy::Quantity;
use schemars::JsonSchema;
use serde::Deserialize;

use super::Containers;
use crate::Mode;

/// Something that matching objects are refused for: a name, conditions, and exactly one rule.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "[has(self.podSecurity), has(self.images), has(self.metadata), has(self.probes), has(self.resources), \
             has(self.secretsInEnv), has(self.serviceAccount), has(self.spread), has(self.cel), \
             has(self.requireTraffic)].filter(given, given).size() == 1",
    "message": "an entry has exactly one rule"
}]))]
pub struct ValidateEntry {
    /// The entry's name, unique in its list. Denials and exceptions use it.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// The entry's own mode; by default the policy's.
    #[serde(default)]
    pub mode: Option<Mode>,
    /// Only objects with all these labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Which containers of the pod; by default all but the mesh's own.
    #[serde(default)]
    pub containers: Option<Containers>,
    /// Only objects for which this CEL expression is true.
    #[serde(default)]
    #[schemars(length(min = 1, max = 4096))]
    pub when: Option<String>,
    /// The Pod Security Standards.
    #[serde(default)]
    pub pod_security: Option<PodSecurityRule>,
    /// Where images come from and how they are named.
    #[serde(default)]
    pub images: Option<ImageRule>,
    /// Labels and annotations that must be there.
    #[serde(default)]
    pub metadata: Option<MetadataRule>,
    /// Probes that must be there.
    #[serde(default)]
    pub probes: Option<ProbeRule>,
    /// Resource requests and limits that must be there, and their bounds.
    #[serde(default)]
    pub resources: Option<ResourceRule>,
    /// Forbidden: no secret stands literally in a container's environment, by name or by the shape of its value.
    #[serde(default)]
    pub secrets_in_env: Option<Forbidden>,
    /// The pod's service account.
    #[serde(default)]
    pub service_account: Option<ServiceAccountRule>,
    /// Required: the pod has anti-affinity or topology spread.
    #[serde(default)]
    pub spread: Option<SpreadRule>,
    /// A CEL expression that must be true.
    #[serde(default)]
    pub cel: Option<CelRule>,
    /// TrafficPolicies that must select the pod.
    #[serde(default)]
    pub require_traffic: Option<TrafficRequirement>,
}

/// A level of the Pod Security Standards.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodSecurityRule {
    /// privileged, baseline or restricted.
    pub level: PodSecurityLevel,
    /// The version of the standards, such as v1.36, or latest (the default).
    #[serde(default)]
    #[schemars(regex(pattern = r"^(latest|v1\.(0|[1-9][0-9]{0,2}))$"))]
    pub version: Option<String>,
}

/// The levels of the Pod Security Standards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PodSecurityLevel {
    /// Nothing is refused.
    Privileged,
    /// Known privilege escalations are refused.
    Baseline,
    /// Current hardening practice is required.
    Restricted,
}

/// Where images come from and how they are named.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImageRule {
    /// Registries and repositories that images may come from, matched by whole segments: `registry.example.com/media`
    /// allows `registry.example.com/media/api` and not `registry.example.com/mediathek`. Each begins with its registry:
    /// `docker.io/library` holds the official images, which are written without one. Empty: any.
    #[serde(default)]
    #[schemars(length(max = 256))]
    pub registries: Vec<String>,
    /// Required: every image names a digest.
    #[serde(default)]
    pub digest: Option<DigestRequirement>,
    /// Tags that are not allowed.
    #[serde(default)]
    pub tags: Option<ImageTags>,
}

/// Whether images must name a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum DigestRequirement {
    /// They must.
    Required,
    /// They may.
    Optional,
}

/// Tags that images may not have.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImageTags {
    /// Tags that are not allowed, such as latest; `*` stands for any characters. An image without tag and digest has
    /// the tag latest, and one with both has its tag.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub forbidden: Vec<String>,
}

/// Labels and annotations that must be there, with a value.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MetadataRule {
    /// Keys of labels that must have a value.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub required_labels: Vec<String>,
    /// Keys of annotations that must have a value.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub required_annotations: Vec<String>,
}

/// Probes that must be there.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProbeRule {
    /// The probes that each selected container and native sidecar must have; others can't have any.
    #[serde(default)]
    #[schemars(length(max = 3))]
    pub required: Vec<ProbeKind>,
    /// Paths that HTTP probes may ask for, without query. Empty: any.
    #[serde(default)]
    #[schemars(length(max = 16))]
    pub http_paths: Vec<String>,
    /// Paths that an HTTP liveness probe may ask for. Empty: those of httpPaths.
    #[serde(default)]
    #[schemars(length(max = 16))]
    pub liveness_paths: Vec<String>,
    /// Paths that an HTTP readiness probe may ask for. Empty: those of httpPaths.
    #[serde(default)]
    #[schemars(length(max = 16))]
    pub readiness_paths: Vec<String>,
}

/// The probes of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ProbeKind {
    /// startupProbe.
    Startup,
    /// livenessProbe.
    Liveness,
    /// readinessProbe.
    Readiness,
}

/// Resource requests and limits that must be there, and their bounds.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResourceRule {
    /// Resources that must have a request or a limit.
    #[serde(default)]
    pub required: RequiredResources,
    /// The least that may be requested, by resource. It must be requested then.
    #[serde(default)]
    pub min: BTreeMap<String, Quantity>,
    /// The highest request and limit, by resource. For cpu, memory and ephemeral-storage there must be a limit then.
    #[serde(default)]
    pub max: BTreeMap<String, Quantity>,
}

/// Resources that must have a request or a limit.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RequiredResources {
    /// Resources that must have a request, such as cpu. A limit is the request too where none is set.
    #[serde(default)]
    #[schemars(length(max = 16))]
    pub requests: Vec<String>,
    /// Resources that must have a limit, such as memory.
    #[serde(default)]
    #[schemars(length(max = 16))]
    pub limits: Vec<String>,
}

/// Something that is not allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum Forbidden {
    /// It is not allowed.
    Forbidden,
}

/// What a pod's service account must be.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServiceAccountRule {
    /// Whether it must be named, and not `default`.
    #[serde(default)]
    pub named: bool,
}

/// Whether pods must be spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum SpreadRule {
    /// They must have anti-affinity or topology spread.
    Required,
}

/// A CEL expression that must be true.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CelRule {
    /// Judge each of these as `item`; by default the object as a whole.
    #[serde(default)]
    pub for_each: Option<ForEach>,
    /// Values that the expressions share as `variables.NAME`, each computed once, when it is first named. One may use
    /// those before it.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub variables: Vec<CelVariable>,
    /// The expression, over `object`, `oldObject`, `request`, `namespaceObject`, `variables` and `item`.
    #[schemars(length(min = 1, max = 4096))]
    pub expression: String,
    /// What the client is told when it is false.
    #[serde(default)]
    #[schemars(length(min = 1, max = 1024))]
    pub message: Option<String>,
    /// A CEL expression that gives the message; `message` stands where it gives none.
    #[serde(default)]
    #[schemars(length(min = 1, max = 4096))]
    pub message_expression: Option<String>,
}

/// A value that a rule's expressions share.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CelVariable {
    /// The name, a CEL identifier, unique in the rule.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[_a-zA-Z][_a-zA-Z0-9]*$"))]
    pub name: String,
    /// The expression that gives the value.
    #[schemars(length(min = 1, max = 4096))]
    pub expression: String,
}

/// What a CEL rule judges one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ForEach {
    /// The selected containers.
    Containers,
}

/// TrafficPolicies that must select a pod.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrafficRequirement {
    /// One with rate limits must select the pod, and no connection may go round its proxy.
    #[serde(default)]
    pub rate_limits: bool,
    /// One that checks tokens must select the pod, and no connection may go round its proxy.
    #[serde(default)]
    pub jwt: bool,
}
