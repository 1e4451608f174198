//! Mutation: one transformation a file, and the engine that applies them until nothing changes any more.

mod add_container;
mod engine;
mod env;
mod image_pull_policy;
mod labels_from_pod;
mod log;
mod metadata;
mod node_ports;
mod override_container;
mod patch;
mod pod_anti_affinity;
mod priority_class;
mod probes;
mod resources;
mod scheduling;
mod security_context;
mod service_account_token;
mod topology_spread;
mod transformation;
mod writable_paths;

pub(crate) use add_container::AddContainer;
pub(crate) use engine::{Plan, run};
pub(crate) use env::EnvFill;
pub(crate) use image_pull_policy::PullPolicy;
pub(crate) use metadata::MetadataFill;
pub(crate) use patch::JsonPatch;
pub(crate) use pod_anti_affinity::ApartFill;
pub(crate) use priority_class::PriorityClass;
pub(crate) use probes::ProbeFill;
pub(crate) use resources::ResourceFill;
pub(crate) use scheduling::SchedulingFill;
pub(crate) use security_context::SecurityContextFill;
pub(crate) use service_account_token::TokenAutomount;
pub(crate) use topology_spread::SpreadFill;
pub(crate) use transformation::{BroughtImage, Selection, Terms, Transformation};
pub(crate) use writable_paths::WritablePaths;
