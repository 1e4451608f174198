//! What a mesh's own container has of variables: those that its injector writes, with values as it writes them.
//!
//! Each kind of container has a list. To name instead what is harmful would be to know every library of the image: a
//! variable of iptables, of glibc or of OpenSSL names what is loaded as well as `LD_PRELOAD` does.

use sallyport_policy::SECRET_VARIABLE_PREFIX;
use serde_json::{Map, Value};

use super::proxy_config::is_injected;
use super::{Kind, are_all, is_control_plane};
use crate::object::{Fields, get, get_str, name_of};

/// What a variable holds.
#[derive(Clone, Copy)]
enum Holds {
    /// A text, which says how the mesh is called, or what the pod has.
    Text,
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// The control plane's address.
    ControlPlane,
    /// What stands in this field of the pod.
    Field(&'static str),
    /// What the container may use: of its resources, or as a number.
    Resource,
    /// The proxy's configuration.
    ProxyConfig,
}

use Holds::{ControlPlane, Field, OneOf, ProxyConfig, Resource, Text};

/// The variables of Istio's proxy: files/injection-template.yaml and gateway-injection-template.yaml, and what the
/// injector adds for probes and for metrics. No other node metadata: by it the proxy would tell the control plane whose
/// labels it has, and with them which configuration is meant for it.
const ISTIO_PROXY: [(&str, Holds); 27] = [
    ("CA_ADDR", ControlPlane),
    ("GOMAXPROCS", Resource),
    ("GOMEMLIMIT", Resource),
    ("HOST_IP", Field("status.hostIP")),
    ("INSTANCE_IP", Field("status.podIP")),
    ("ISTIO_CPU_LIMIT", Resource),
    ("ISTIO_KUBE_APP_PROBERS", Text),
    ("ISTIO_META_APP_CONTAINERS", Text),
    ("ISTIO_META_CLUSTER_ID", Text),
    ("ISTIO_META_INTERCEPTION_MODE", OneOf(&["REDIRECT", "TPROXY"])),
    ("ISTIO_META_MESH_ID", Text),
    ("ISTIO_META_NETWORK", Text),
    ("ISTIO_META_NODE_NAME", Field("spec.nodeName")),
    ("ISTIO_META_OWNER", Text),
    ("ISTIO_META_POD_PORTS", Text),
    ("ISTIO_META_ROUTER_MODE", Text),
    ("ISTIO_META_UNPRIVILEGED_POD", Text),
    ("ISTIO_META_WORKLOAD_NAME", Text),
    ("ISTIO_PROMETHEUS_ANNOTATIONS", Text),
    ("JWT_POLICY", OneOf(&["first-party-jwt", "third-party-jwt"])),
    ("PILOT_CERT_PROVIDER", Text),
    ("POD_NAME", Field("metadata.name")),
    ("POD_NAMESPACE", Field("metadata.namespace")),
    ("PROXY_CONFIG", ProxyConfig),
    ("REWRITE_PROBE_LEGACY_LOCALHOST_DESTINATION", Text),
    ("SERVICE_ACCOUNT", Field("spec.serviceAccountName")),
    ("TRUST_DOMAIN", Text),
];

/// What a mesh's configuration has as proxyMetadata, which the injector writes to the proxy and to what redirects its
/// traffic. Of all of it the latter knows DNS_CAPTURE and DUAL_STACK, with which it redirects more.
const ISTIO_METADATA: [&str; 10] = [
    "EXIT_ON_ZERO_ACTIVE_CONNECTIONS",
    "ISTIO_AGENT_DUAL_STACK",
    "ISTIO_DUAL_STACK",
    "ISTIO_META_DNS_AUTO_ALLOCATE",
    "ISTIO_META_DNS_CAPTURE",
    "ISTIO_META_ENABLE_HBONE",
    "ISTIO_META_HTTP10",
    "ISTIO_META_IDLE_TIMEOUT",
    "MINIMUM_DRAIN_DURATION",
    "PROXY_XDS_DEBUG_VIA_AGENT",
];

/// The variables of Linkerd's proxy that others of its variables are made of.
const LINKERD_PROXY: [&str; 8] = [
    "_l5d_ns",
    "_l5d_trustdomain",
    "_pod_containerName",
    "_pod_name",
    "_pod_nodeName",
    "_pod_ns",
    "_pod_sa",
    "_pod_uid",
];

/// Whether a container has no variables but those that its injector writes.
pub(super) fn are_variables(kind: Kind, container: &Fields) -> bool {
    are_all(container, "env", |variable| is_variable(kind, variable))
}

fn is_variable(kind: Kind, variable: &Value) -> bool {
    let name = name_of(variable);
    let is_metadata = || is_metadata(name) && holds(variable, Text);
    match kind {
        Kind::IstioProxy => match ISTIO_PROXY.iter().find(|(own, _)| *own == name) {
            Some((_, what)) => holds(variable, *what),
            // Only the filter reads them. Whether they hold what they should, the rule `requireTraffic` says.
            None => is_metadata() || name.starts_with(SECRET_VARIABLE_PREFIX),
        },
        Kind::IstioInit => is_metadata(),
        // Linkerd's are made of each other, and of fields.
        Kind::LinkerdProxy => name.starts_with("LINKERD2_PROXY_") || LINKERD_PROXY.contains(&name),
        Kind::LinkerdInit => false,
    }
}

/// Whether it is the name of what a mesh's configuration has as proxyMetadata.
pub(super) fn is_metadata(name: &str) -> bool {
    ISTIO_METADATA.contains(&name)
}

fn holds(variable: &Value, what: Holds) -> bool {
    let Some(variable) = variable.as_object() else { return false };
    // The kubelet puts other variables in place of references, and so anything in place of what stands here.
    let text = || {
        let is_text = get(variable, &["valueFrom"]).is_none();
        let value = get(variable, &["value"]).map_or(Some(""), Value::as_str);
        value.filter(|text| is_text && !text.contains("$("))
    };
    let from = |source: &str| -> Option<&Map<String, Value>> {
        let is_reference = get(variable, &["value"]).is_none();
        get(variable, &["valueFrom", source]).filter(|_| is_reference)?.as_object()
    };
    match what {
        Text => text().is_some(),
        OneOf(texts) => text().is_some_and(|text| text.is_empty() || texts.contains(&text)),
        ControlPlane => text().is_some_and(is_control_plane),
        Field(path) => from("fieldRef").is_some_and(|field| get_str(field, &["fieldPath"]) == Some(path)),
        Resource => text().is_some() || from("resourceFieldRef").is_some(),
        ProxyConfig => text().is_some_and(is_injected),
    }
}
