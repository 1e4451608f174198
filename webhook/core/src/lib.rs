//! WorkloadPolicy, and decisions about Kubernetes objects.
//!
//! Everything here is pure: no clock, no environment, no file system, no network, no cluster. Bytes, time and what
//! is known of the cluster are arguments, so the webhook, the command line and the tests give one answer.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]

pub mod cel;
mod compile;
mod context;
mod decide;
mod decision;
mod difference;
mod exceptions;
pub mod guard;
mod mutate;
mod object;
pub mod offline;
pub mod registration;
mod request;
pub mod resources;
mod secrets;
mod set;
mod traffic;
mod validate;

pub use compile::Policy;
pub use context::{Awaited, Context};
pub use decide::{decide, mutate, validate};
pub use decision::{Change, Decision, Finding, List, Mode, Source};
pub use difference::difference;
pub use exceptions::{Exception, NotHonoured};
pub use object::{PodBearing, element};
pub use request::{GroupVersionKind, GroupVersionResource, Namespace, Operation, Request, UserInfo};
pub use secrets::{redact, redact_start};
pub use set::{Conflict, NAMESPACES_OUT_OF_REACH, PolicySet};
pub use traffic::{SecretKey, TrafficSelector};
pub use validate::{MESH_IMAGES, MeshImage, NotAMeshImage};
