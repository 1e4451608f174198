//! The containers that a service mesh's injector adds, and what they are let off.
//!
//! A name is anybody's to give, and so is a public image. What can't be anybody's is a container of that name and that
//! image which runs nothing but the mesh's own program: then whoever wrote it has gained nothing by it.

mod image;
mod mounts;
mod program;
mod proxy_config;
mod variables;

pub(crate) use image::MeshImages;
pub use image::{MESH_IMAGES, MeshImage, NotAMeshImage};
pub(crate) use proxy_config::is_harmless;

use serde_json::Value;

use crate::object::{ContainerList, Fields, get, get_list, get_str};

/// The name of Istio's proxy, a sidecar's and a gateway's.
pub(crate) const ISTIO_PROXY: &str = "istio-proxy";

/// The containers that injectors add.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Istio's proxy.
    IstioProxy,
    /// Redirects the pod's traffic to Istio's proxy, or sees whether the CNI plugin has done so.
    IstioInit,
    /// Linkerd's proxy.
    LinkerdProxy,
    /// Redirects the pod's traffic to Linkerd's proxy.
    LinkerdInit,
}

impl Kind {
    fn of(name: &str) -> Option<Self> {
        match name {
            ISTIO_PROXY => Some(Self::IstioProxy),
            "istio-init" | "istio-validation" => Some(Self::IstioInit),
            "linkerd-proxy" => Some(Self::LinkerdProxy),
            "linkerd-init" => Some(Self::LinkerdInit),
            _ => None,
        }
    }

    /// Whether an image is the one of this container, by the last component of its repository's path.
    fn is_of(self, component: &str) -> bool {
        let of_init = component.contains("proxy-init");
        match self {
            Self::IstioProxy | Self::IstioInit => component.contains("proxyv2"),
            Self::LinkerdProxy => component.contains("proxy") && !component.contains("proxyv2") && !of_init,
            Self::LinkerdInit => of_init,
        }
    }
}

/// Whether a container is what a mesh's injector adds: by its name, its image, which is one of `images` and of the same
/// mesh, and by running nothing of its author's. No injector adds ephemeral containers.
pub(crate) fn is_mesh_s_own(list: ContainerList, container: &Fields, images: &MeshImages) -> bool {
    kind(list, container, images).is_some()
}

/// Whether a container is what a mesh's injector adds to redirect the pod's traffic, which takes being root and having
/// NET_ADMIN and NET_RAW. A proxy takes neither.
pub(crate) fn redirects_traffic(list: ContainerList, container: &Fields, images: &MeshImages) -> bool {
    list == ContainerList::Init
        && get_str(container, &["restartPolicy"]).is_none()
        && matches!(kind(list, container, images), Some(Kind::IstioInit | Kind::LinkerdInit))
}

/// Whether it is a proxy's container that awaits injection, to which its author adds (image: auto) what changes nothing
/// of what runs in it.
pub(crate) fn awaits_injection(list: ContainerList, container: &Fields) -> bool {
    list != ContainerList::Ephemeral
        && get_str(container, &["name"]) == Some(ISTIO_PROXY)
        && get_str(container, &["image"]) == Some("auto")
        && program::is_mesh_s_own(Kind::IstioProxy, container)
}

fn kind(list: ContainerList, container: &Fields, images: &MeshImages) -> Option<Kind> {
    let kind = Kind::of(get_str(container, &["name"])?)?;
    let image = get_str(container, &["image"])?;
    let is_own = list != ContainerList::Ephemeral
        && images.holds(image, |component| kind.is_of(component))
        && program::is_mesh_s_own(kind, container);
    is_own.then_some(kind)
}

/// Whether it is the address of Istio's control plane, of any revision, as the injector writes it: in the mesh's own
/// namespace, where no author of workloads has a service.
fn is_control_plane(address: &str) -> bool {
    let Some((host, port)) = address.split_once(':') else { return false };
    let mut labels = host.split('.');
    let service = labels.next().unwrap_or_default();
    let is_istiod = service
        .strip_prefix("istiod")
        .is_some_and(|revision| revision.is_empty() || revision.starts_with('-') && is_label(revision));
    let domain: Vec<&str> = labels.collect();
    let is_mesh_s =
        matches!(domain[..], ["istio-system", "svc"] | ["istio-system", "svc", "cluster", "local"]);
    is_istiod && is_mesh_s && matches!(port, "15012" | "15010")
}

fn is_label(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// Whether a list of the container holds nothing that isn't right; one that is no list holds who knows what.
fn are_all(container: &Fields, field: &str, is_right: impl Fn(&Value) -> bool) -> bool {
    get(container, &[field]).is_none_or(Value::is_array) && get_list(container, &[field]).iter().all(is_right)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Whether it is a mesh's own, and whether it may redirect traffic.
    #[track_caller]
    fn check(list: ContainerList, name: &str, image: &str, more: Value, want: (bool, bool)) {
        let mut container = json!({"name": name, "image": image});
        container.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let fields = container.as_object().unwrap();
        let images = MeshImages::default();
        let found = (is_mesh_s_own(list, fields, &images), redirects_traffic(list, fields, &images));
        assert_eq!(found, want, "{list:?} {container}");
    }

    const ISTIO: &str = "docker.io/istio/proxyv2:1.30.0";
    const PROXY: &str = "cr.l5d.io/linkerd/proxy:edge-26.11.1";
    const INIT: &str = "cr.l5d.io/linkerd/proxy-init:v2.4.0";

    #[test]
    fn name_image_and_list_must_be_of_one_mesh() {
        let (init, app, debug) = (ContainerList::Init, ContainerList::Containers, ContainerList::Ephemeral);
        for (list, name, image, want) in [
            (app, "istio-proxy", ISTIO, (true, false)),
            (init, "istio-proxy", ISTIO, (true, false)),
            (init, "istio-init", ISTIO, (true, true)),
            (init, "istio-validation", "istio/proxyv2", (true, true)),
            (app, "istio-init", ISTIO, (true, false)),
            (app, "linkerd-proxy", PROXY, (true, false)),
            (init, "linkerd-init", INIT, (true, true)),
            (debug, "istio-proxy", ISTIO, (false, false)),
            (debug, "linkerd-init", INIT, (false, false)),
            (app, "api", ISTIO, (false, false)),
            (app, "linkerd-x", ISTIO, (false, false)),
            (app, "linkerd-x", PROXY, (false, false)),
            (app, "linkerd-proxy", ISTIO, (false, false)),
            (app, "istio-proxy", PROXY, (false, false)),
            (init, "linkerd-init", PROXY, (false, false)),
            (app, "linkerd-proxy", INIT, (false, false)),
            (app, "istio-proxy", "evil.example/istio/proxyv2:1.30.0", (false, false)),
            (app, "istio-proxy", "", (false, false)),
        ] {
            check(list, name, image, json!({}), want);
        }
        check(init, "istio-init", ISTIO, json!({"restartPolicy": "Always"}), (true, false));
    }

    #[test]
    fn what_the_injector_writes_is_the_mesh_s() {
        let from = |path: &str| json!({"fieldRef": {"apiVersion": "v1", "fieldPath": path}});
        let config = r#"{"discoveryAddress": "istiod-1-30.istio-system.svc:15012", "meshId": "shop",
            "proxyMetadata": {"ISTIO_META_DNS_CAPTURE": "true"}, "gatewayTopology": {"numTrustedProxies": 1},
            "readinessProbe": {"httpGet": {"port": 8080}}, "concurrency": 2}"#;
        check(
            ContainerList::Containers,
            "istio-proxy",
            ISTIO,
            json!({"args": ["proxy", "sidecar"], "env": [
                {"name": "CA_ADDR", "value": "istiod-1-30.istio-system.svc.cluster.local:15012"},
                {"name": "POD_NAME", "valueFrom": from("metadata.name")},
                {"name": "SERVICE_ACCOUNT", "valueFrom": from("spec.serviceAccountName")},
                {"name": "GOMEMLIMIT", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory"}}},
                {"name": "PROXY_CONFIG", "value": config},
                {"name": "ISTIO_META_DNS_CAPTURE", "value": "true"},
                {"name": "TRUST_DOMAIN", "value": "cluster.local"},
            ]}),
            (true, false),
        );
    }

    #[test]
    fn a_container_that_runs_anything_of_its_author_s_is_not_the_mesh_s() {
        let exec = json!({"exec": {"command": ["sh", "-c", "id"]}});
        for more in [
            json!({"command": ["sh"]}),
            json!({"args": ["istio-clean-iptables"]}),
            json!({"args": ["request", "GET", "x"]}),
            json!({"args": "proxy"}),
            json!({"args": ["proxy", "sidecar", "--templateFile", "/etc/istio/pod/annotations"]}),
            json!({"args": ["proxy", "sidecar", "--templateFile=/etc/istio/pod/annotations"]}),
            json!({"lifecycle": {"postStart": exec}}),
            json!({"lifecycle": {"preStop": exec}}),
            json!({"lifecycle": {"postStart": {"exec": {"command": ["pilot-agent", "request", "POST", "x"]}}}}),
            json!({"lifecycle": "x"}),
            json!({"livenessProbe": exec}),
            json!({"readinessProbe": exec}),
            json!({"startupProbe": exec}),
            json!({"workingDir": "/etc/istio/pod"}),
            json!({"env": [{"name": "PATH", "value": "/etc/istio/pod"}]}),
            json!({"env": [{"name": "LD_PRELOAD", "value": "/etc/istio/pod/x.so"}]}),
            json!({"env": [{"name": "PROXY_CONFIG", "value": "{\"binaryPath\": \"/bin/sh\"}"}]}),
            json!({"env": [{"name": "PROXY_CONFIG", "value": "binaryPath: /bin/sh"}]}),
            json!({"env": [{"name": "PROXY_CONFIG", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]}),
            json!({"env": [{"name": "ISTIO_BOOTSTRAP", "value": "/etc/istio/pod/labels"}]}),
            json!({"env": [{"name": "GCONV_PATH", "value": "/etc/istio/proxy"}]}),
            json!({"env": [{"name": "GLIBC_TUNABLES", "value": "x"}]}),
            json!({"env": [{"name": "ISTIO_METAJSON_LABELS", "value": "{}"}]}),
            json!({"env": [{"name": "PROXY_CONFIG", "value": "{\"proxyMetadata\": {\"LD_PRELOAD\": \"x\"}}"}]}),
            json!({"env": [{"name": "PROXY_CONFIG", "value": "{\"proxy_metadata\": {\"GCONV_PATH\": \"x\"}}"}]}),
            json!({"env": [{"name": "PROXY_CONFIG", "value": "{\"readinessProbe\": {\"exec\": {}}}"}]}),
            json!({"env": [{"name": "PROXY_CONFIG", "value": "{\"readiness_probe\": {\"exec\": {}}}"}]}),
            json!({"env": [{"name": "PROXY_CONFIG", "value": "{\"discoveryAddress\": \"evil.example:15012\"}"}]}),
            json!({"env": [{"name": "PROXY_CONFIG", "value": "{\"statusPort\": 8080}"}]}),
            json!({"env": [{"name": "PROXY_CONFIG", "value": "{\"proxyAdminPort\": 8081}"}]}),
            json!({"env": [{"name": "PROXY_CONFIG", "value": "{\"interceptionMode\": \"NONE\"}"}]}),
            json!({"env": [{"name": "PROXY_CONFIG", "value": "{\"configPath\": \"/x\"}"}]}),
            json!({"env": [{"name": "PROXY_CONFIG", "value": "{\"runtimeValues\": {}}"}]}),
            // The kubelet puts other variables in place of references.
            json!({"env": [
                {"name": "TRUST_DOMAIN", "value": "x\",\"binaryPath\":\"/usr/bin/python3"},
                {"name": "PROXY_CONFIG", "value": "{\"meshId\":\"$(TRUST_DOMAIN)\"}"},
            ]}),
            json!({"env": [{"name": "CA_ADDR", "value": "evil.example:15012"}]}),
            json!({"env": [{"name": "CA_ADDR", "value": "istiod.shop.svc:15012"}]}),
            json!({"env": [{"name": "CA_ADDR", "value": "istiod.istio-system.svc.evil.example:15012"}]}),
            json!({"env": [{"name": "ISTIO_META_INTERCEPTION_MODE", "value": "NONE"}]}),
            json!({"env": [{"name": "POD_NAME", "value": "another"}]}),
            json!({"env": [{"name": "POD_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]}),
            json!({"env": [{"name": "SERVICE_ACCOUNT", "valueFrom": {"secretKeyRef": {"name": "x", "key": "y"}}}]}),
            json!({"env": [{"name": "ISTIO_META_DNS_CAPTURE", "value": "$(X)"}]}),
            // What a variable holds must not become an option.
            json!({
                "args": ["proxy", "sidecar", "--log_as_json", "$(POD_NAME)"],
                "env": [{"name": "POD_NAME", "value": "--templateFile=/etc/istio/pod/annotations"}],
            }),
            json!({"args": ["proxy", "sidecar", "--domain"]}),
            json!({"env": {"PATH": "x"}}),
            json!({"env": ["PATH"]}),
            json!({"envFrom": [{"configMapRef": {"name": "x"}}]}),
            json!({"volumeMounts": [{"name": "x", "mountPath": "/usr/local/bin"}]}),
            json!({"volumeMounts": [{"name": "x", "mountPath": "/etc/istio/../../usr"}]}),
            json!({"volumeMounts": [{"name": "x", "mountPath": "/etc"}]}),
            json!({"volumeMounts": [{"name": "x"}]}),
            json!({"volumeMounts": [{"name": "x", "mountPath": "/etc/istio/proxy"}]}),
            json!({"volumeMounts": [{"name": "istio-envoy", "mountPath": "/etc/istio/proxy/x"}]}),
            json!({"volumeDevices": [{"name": "x", "devicePath": "/etc/istio/x"}]}),
        ] {
            check(ContainerList::Containers, "istio-proxy", ISTIO, more, (false, false));
        }
        for more in [
            json!({"args": ["istio-clean-iptables"]}),
            json!({"args": ["proxy", "sidecar"]}),
            json!({"args": ["istio-iptables", "--network-namespace=/proc/1/ns/net"]}),
            json!({"args": ["istio-iptables", "--run-validation", "$(X)"]}),
            json!({"args": ["istio-iptables", "-b=*"]}),
            json!({"env": [{"name": "PATH", "value": "/x"}]}),
            json!({"env": [{"name": "XTABLES_LIBDIR", "value": "/etc/istio/proxy"}]}),
            json!({"env": [{"name": "IPTABLES_LIB_DIR", "value": "/etc/istio/proxy"}]}),
            json!({"env": [{"name": "ISTIO_LOCAL_EXCLUDE_PORTS", "value": "8080"}]}),
            json!({"env": [{"name": "POD_NAME", "value": "x"}]}),
            json!({"volumeMounts": [{"name": "istio-envoy", "mountPath": "/etc/istio/proxy"}]}),
            json!({"volumeMounts": [{"name": "x", "mountPath": "/run"}]}),
        ] {
            check(ContainerList::Init, "istio-init", ISTIO, more, (false, false));
        }
        for more in [
            json!({"args": ["--firewall-bin-path", "/etc/evil"]}),
            json!({"args": ["--firewall-bin-path=$(X)"]}),
            json!({"args": ["--ipv6", "$(X)"]}),
            json!({"env": [{"name": "XTABLES_LIBDIR", "value": "/run"}]}),
            json!({"volumeMounts": [{"name": "x", "mountPath": "/run"}]}),
        ] {
            check(ContainerList::Init, "linkerd-init", INIT, more, (false, false));
        }
        check(
            ContainerList::Containers,
            "linkerd-proxy",
            PROXY,
            json!({"env": [{"name": "MALLOC_CONF", "value": "x"}]}),
            (false, false),
        );
        check(ContainerList::Containers, "linkerd-proxy", PROXY, json!({"args": ["sh"]}), (false, false));
    }
}
