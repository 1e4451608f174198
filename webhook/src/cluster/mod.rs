//! Serving in a cluster: policies from the API server, and what makes the API server ask.
//!
//! Every replica follows the policies and the namespaces ([`policies`]) and serves the certificate that all of them share
//! ([`certificates`]). One of them, which holds a Lease ([`lease`]), does what must be done once ([`lead`]): it makes
//! certificates, keeps the webhook configurations ([`registration`]), attaches the filter to the mesh's proxies ([`attach`]),
//! and says what has become of each policy ([`status`]).

mod account;
mod attach;
mod certificates;
mod changes;
mod connect;
mod discovery;
pub(crate) mod inventory;
mod lead;
mod lease;
mod metrics;
mod mirror;
mod modules;
mod pause;
mod policies;
mod registration;
mod status;

pub(crate) use account::account;
pub(crate) use attach::Attaching;
pub(crate) use certificates::{Lifetimes, Secrets};
pub(crate) use connect::connect;
pub(crate) use lead::{Leader, Trust};
pub(crate) use lease::Elector;
pub(crate) use metrics::Metrics;
pub(crate) use modules::Modules;
pub(crate) use pause::{pause, resume};
pub(crate) use policies::Policies;
pub(crate) use registration::Target;

/// What Sallyport's own writes are known by in `metadata.managedFields`.
pub(crate) const FIELD_MANAGER: &str = "sallyport";
/// What its objects are called: the Lease, and both webhook configurations.
pub(crate) const NAME: &str = "sallyport";
