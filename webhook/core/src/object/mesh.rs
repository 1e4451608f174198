//! The names of the containers that a service mesh's injector adds.

/// Whether a service mesh's injector owns containers of this name.
pub(crate) fn is_mesh_container(name: &str) -> bool {
    matches!(name, "istio-proxy" | "istio-init" | "istio-validation") || name.starts_with("linkerd-")
}
