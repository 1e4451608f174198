//! Validation: one rule a file, each a pure function of an object.

mod cel;
mod image_reference;
mod images;
mod mesh;
mod metadata;
mod pod_security;
mod probes;
mod quoted;
mod registry;
mod require_traffic;
mod resources;
mod rule;
mod secrets_in_env;
mod service_account;
mod shape;
mod spread;

pub(crate) use cel::CelCheck;
pub(crate) use image_reference::ImageReference;
pub(crate) use images::Images;
pub(crate) use mesh::{ISTIO_PROXY, MeshImages, awaits_injection, is_mesh_s_own};
pub use mesh::{MESH_IMAGES, MeshImage, NotAMeshImage};
pub(crate) use metadata::RequiredMetadata;
pub(crate) use pod_security::PodSecurity;
pub(crate) use probes::RequiredProbes;
pub(crate) use require_traffic::RequireTraffic;
pub(crate) use resources::ResourceBounds;
pub(crate) use rule::{About, Report, Rule, Subject};
pub(crate) use secrets_in_env::SecretsInEnv;
pub(crate) use service_account::NamedServiceAccount;
pub(crate) use spread::RequiredSpread;
