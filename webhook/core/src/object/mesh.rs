//! The containers that a service mesh's injector adds.

use crate::object::{Fields, get, get_str};

/// Whether a service mesh's injector owns containers of this name.
pub(crate) fn is_mesh_container(name: &str) -> bool {
    matches!(name, "istio-proxy" | "istio-init" | "istio-validation") || name.starts_with("linkerd-")
}

/// The repositories of the meshes' own images, as Istio and Linkerd publish them.
pub const MESH_IMAGES: [&str; 9] = [
    "docker.io/istio/proxyv2",
    "gcr.io/istio-release/proxyv2",
    "registry.istio.io/release/proxyv2",
    "cr.l5d.io/linkerd/proxy",
    "cr.l5d.io/linkerd/proxy-init",
    "cr.l5d.io/linkerd/extension-init",
    "ghcr.io/linkerd/proxy",
    "ghcr.io/linkerd/proxy-init",
    "ghcr.io/linkerd/extension-init",
];

/// Whether a container is what a mesh's injector adds: by its name *and* its image, which one of `images` is the
/// repository of. A name alone is anybody's to give, and so is a `command`, which injectors leave to the image.
pub(crate) fn is_mesh_s_own(container: &Fields, images: &[String]) -> bool {
    let name = get_str(container, &["name"]).unwrap_or_default();
    let image = get_str(container, &["image"]).unwrap_or_default();
    is_mesh_container(name)
        && get(container, &["command"]).is_none()
        && images.iter().any(|repository| is_of(image, repository))
}

/// Whether an image reference names this repository, with whatever tag and digest.
fn is_of(image: &str, repository: &str) -> bool {
    let short = repository.strip_prefix("docker.io/");
    [Some(repository), short].into_iter().flatten().any(|repository| {
        image.strip_prefix(repository).is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '@']))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_mesh_s_container_is_known_by_name_and_repository_and_has_no_command() {
        let images = MESH_IMAGES.map(str::to_owned);
        let check = |name: &str, image: &str, command: Option<&str>, want: bool| {
            let mut container = json!({"name": name, "image": image});
            if let Some(command) = command {
                container["command"] = json!([command]);
            }
            assert_eq!(is_mesh_s_own(container.as_object().unwrap(), &images), want, "{container}");
        };
        check("istio-proxy", "docker.io/istio/proxyv2:1.30.0", None, true);
        check("istio-proxy", "istio/proxyv2@sha256:00", None, true);
        check("linkerd-proxy", "cr.l5d.io/linkerd/proxy:edge", None, true);
        check("api", "docker.io/istio/proxyv2:1.30.0", None, false);
        check("istio-proxy", "evil.example/istio/proxyv2:1.30.0", None, false);
        check("istio-proxy", "docker.io/istio/proxyv2evil:1", None, false);
        check("istio-proxy", "docker.io/istio/proxyv2/evil:1", None, false);
        check("istio-init", "docker.io/istio/proxyv2:1.30.0", Some("sh"), false);
        check("istio-init", "", None, false);
    }
}
