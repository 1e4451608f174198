//! A service mesh: a real istiod beside a control plane, and real proxies of its, each an Envoy under the agent that
//! feeds it. Several may run at once.
//!
//! No node is there: pods are objects with an address of the loopback network, and nothing redirects their traffic. So a
//! sidecar takes requests where a `Sidecar` resource says, and a gateway where a `Gateway` does ([`routes`]).

mod injector;
mod istiod;
mod place;
mod proxy;
pub mod routes;

pub use injector::Reinvocation;
pub use istiod::{Mesh, define};
pub use proxy::Proxy;

/// The namespace of istiod, and of what is true for the whole mesh.
pub const ROOT: &str = "istio-system";
