//! The resources as a user writes them, in group `sallyport.dev/v1alpha1`.
//!
//! These types are what YAML is read into and what the CRDs are generated from: their doc comments are the CRDs'
//! descriptions. Nothing is decided here.

mod embedded;
mod mutate;
mod policy_exception;
mod security_context;
mod validate;
mod workload_policy;

pub use embedded::{Embedded, Position};
pub use mutate::{
    ContainerType, Containers, EmptyDirMedium, ImagePullPolicy, InitContainer, JsonPatchOp,
    JsonPatchOperation, Metadata, MutateEntry, PodAntiAffinity, PodAntiAffinityType, Probes, Resources,
    Scheduling, Sidecar, SidecarType, Strategy, TopologySpread, UnsatisfiableAction, WritablePath,
};
pub use policy_exception::*;
pub use security_context::{
    AppArmorProfile, Capabilities, ContainerSecurityContext, PodSecurityContext, SeLinuxOptions,
    SeccompProfile, SecurityContexts, Sysctl, WindowsOptions,
};
pub use validate::{
    CelRule, CelVariable, DigestRequirement, ForEach, Forbidden, ImageRule, ImageTags, MetadataRule,
    PodSecurityLevel, PodSecurityRule, ProbeKind, ProbeRule, RequiredResources, ResourceRule,
    ServiceAccountRule, SpreadRule, TrafficRequirement, ValidateEntry,
};
pub use workload_policy::{
    Condition, ControllerHandling, ExceptionRules, FailurePolicy, Scope, WorkloadPolicySpec,
    WorkloadPolicyStatus,
};
