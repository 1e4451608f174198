//! Annotations by which a pod's author changes Istio's proxy or what is redirected to it.
//!
//! Istio's resource annotations, <https://istio.io/latest/docs/reference/config/annotations/>. Those that are not here
//! change how much the proxy may use, what it logs and where the pod's own calls go.

use crate::validate::MeshImages;
use crate::validate::mesh::is_harmless;

/// What is wanted of a pod's own ProxyConfig, in words.
const CONFIG: &str =
    "no options but harmless ones such as holdApplicationUntilProxyStarts, each on a line of its own";

/// An annotation, and what it may be: what is wanted instead, where it is something else.
type Annotation = (&'static str, fn(&str, &MeshImages) -> bool, &'static str);

const ANNOTATIONS: [Annotation; 16] = [
    (
        "traffic.sidecar.istio.io/excludeInboundPorts",
        |ports, _| are_the_proxy_s(ports),
        "none but the proxy's own",
    ),
    ("traffic.sidecar.istio.io/includeInboundPorts", |ports, _| ports.trim() == "*", "*"),
    ("traffic.sidecar.istio.io/excludeInterfaces", |names, _| is_blank(names), "none"),
    ("traffic.sidecar.istio.io/kubevirtInterfaces", |names, _| is_blank(names), "none"),
    ("istio.io/reroute-virtual-interfaces", |names, _| is_blank(names), "none"),
    ("ambient.istio.io/bypass-inbound-capture", |value, _| value != "true", "none"),
    (
        "sidecar.istio.io/interceptionMode",
        |mode, _| matches!(mode, "REDIRECT" | "TPROXY"),
        "REDIRECT or TPROXY",
    ),
    ("status.sidecar.istio.io/port", |port, _| matches!(port.trim(), "0" | "15020"), "15020"),
    ("sidecar.istio.io/proxyImage", is_mesh_s_own, "an image of the mesh's own"),
    ("sidecar.istio.io/bootstrapOverride", |_, _| false, "none"),
    ("sidecar.istio.io/discoveryAddress", |_, _| false, "none"),
    ("sidecar.istio.io/userVolume", |volumes, _| is_blank(volumes), "none"),
    ("sidecar.istio.io/userVolumeMount", |mounts, _| is_blank(mounts), "none"),
    ("inject.istio.io/templates", |names, _| names.trim() == "sidecar", "sidecar"),
    ("proxy.istio.io/overrides", |_, _| false, "none"),
    ("proxy.istio.io/config", |config, _| is_harmless(config), CONFIG),
];

/// The keys of all of them.
pub(super) fn keys() -> impl Iterator<Item = &'static str> {
    ANNOTATIONS.iter().map(|(key, ..)| *key)
}

/// What is wanted in place of an annotation by which a port may not pass the proxy; `None` where nothing else is.
pub(super) fn wanted(key: &str, value: &str, mesh_images: &MeshImages) -> Option<&'static str> {
    let (_, is_right, wanted) = ANNOTATIONS.iter().find(|(own, ..)| *own == key)?;
    (!is_right(value, mesh_images)).then_some(*wanted)
}

fn is_blank(value: &str) -> bool {
    value.trim().is_empty()
}

/// The ports on which the proxy itself listens: metrics, health, Envoy's own metrics. With the CNI plugin, Istio's
/// injector names them in the annotation.
pub(super) fn are_the_proxy_s(ports: &str) -> bool {
    is_blank(ports) || ports.split(',').all(|port| matches!(port.trim(), "15020" | "15021" | "15090"))
}

/// Whether an image is one that a mesh's own containers run.
fn is_mesh_s_own(image: &str, mesh_images: &MeshImages) -> bool {
    mesh_images.holds(image, |_| true)
}
