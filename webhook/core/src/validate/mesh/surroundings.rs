//! What a mesh's own container is given of the pod: variables and volumes.
//!
//! Each kind of container has a list of what its injector writes. To name instead what is harmful would be to know every
//! library of the image: a variable of iptables, of glibc or of OpenSSL names what is loaded as well as `LD_PRELOAD` does.

use serde_json::{Map, Value};

use super::Kind;
use crate::object::{Fields, get, get_list, get_str, name_of};

/// The variables of Istio's proxy: files/injection-template.yaml and gateway-injection-template.yaml, and what the
/// injector adds for probes and for metrics. No other node metadata: by it the proxy would tell the control plane whose
/// labels it has, and with them which configuration is meant for it.
const ISTIO_PROXY: [&str; 27] = [
    "CA_ADDR",
    "GOMAXPROCS",
    "GOMEMLIMIT",
    "HOST_IP",
    "INSTANCE_IP",
    "ISTIO_CPU_LIMIT",
    "ISTIO_KUBE_APP_PROBERS",
    "ISTIO_META_APP_CONTAINERS",
    "ISTIO_META_CLUSTER_ID",
    "ISTIO_META_INTERCEPTION_MODE",
    "ISTIO_META_MESH_ID",
    "ISTIO_META_NETWORK",
    "ISTIO_META_NODE_NAME",
    "ISTIO_META_OWNER",
    "ISTIO_META_POD_PORTS",
    "ISTIO_META_ROUTER_MODE",
    "ISTIO_META_UNPRIVILEGED_POD",
    "ISTIO_META_WORKLOAD_NAME",
    "ISTIO_PROMETHEUS_ANNOTATIONS",
    "JWT_POLICY",
    "PILOT_CERT_PROVIDER",
    "POD_NAME",
    "POD_NAMESPACE",
    "PROXY_CONFIG",
    "REWRITE_PROBE_LEGACY_LOCALHOST_DESTINATION",
    "SERVICE_ACCOUNT",
    "TRUST_DOMAIN",
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
    match kind {
        Kind::IstioProxy if name == "PROXY_CONFIG" => variable.as_object().is_some_and(|variable| {
            get(variable, &["valueFrom"]).is_none()
                && get_str(variable, &["value"]).is_none_or(is_proxy_config)
        }),
        Kind::IstioProxy => ISTIO_PROXY.contains(&name) || ISTIO_METADATA.contains(&name),
        Kind::IstioInit => ISTIO_METADATA.contains(&name),
        Kind::LinkerdProxy => name.starts_with("LINKERD2_PROXY_") || LINKERD_PROXY.contains(&name),
        Kind::LinkerdInit => false,
    }
}

/// Istio's ProxyConfig as its injector writes it, in JSON, without another binary, another bootstrap, and other variables
/// of the proxy than may stand beside it.
fn is_proxy_config(config: &str) -> bool {
    const OTHERS: [&str; 4] = ["binaryPath", "configPath", "customConfigFile", "proxyBootstrapTemplatePath"];
    let is_right = |(option, value): (&String, &Value)| {
        let is_other = OTHERS.iter().any(|other| spelt_alike(option, other));
        let are_variables = || match value {
            Value::Null => true,
            Value::Object(variables) => variables.keys().all(|name| ISTIO_METADATA.contains(&name.as_str())),
            _ => false,
        };
        !is_other && (!spelt_alike(option, "proxyMetadata") || are_variables())
    };
    serde_json::from_str::<Map<String, Value>>(config).is_ok_and(|options| options.iter().all(is_right))
}

/// Protobuf's JSON takes a field in camelCase and in snake_case.
fn spelt_alike(option: &str, name: &str) -> bool {
    let letters = |text: &str| text.replace('_', "").to_ascii_lowercase();
    letters(option) == letters(name)
}

/// A volume, and where it is mounted.
type Mount = (&'static str, &'static str);

const ISTIO_PROXY_MOUNTS: [Mount; 11] = [
    ("credential-socket", "/var/run/secrets/credential-uds"),
    ("gke-workload-certificate", "/var/run/secrets/workload-spiffe-credentials"),
    ("istio-ca-crl", "/var/run/secrets/istio/crl"),
    ("istio-certs", "/etc/certs"),
    ("istio-data", "/var/lib/istio/data"),
    ("istio-envoy", "/etc/istio/proxy"),
    ("istio-podinfo", "/etc/istio/pod"),
    ("istio-token", "/var/run/secrets/tokens"),
    ("istiod-ca-cert", "/var/run/secrets/istio"),
    ("workload-certs", "/var/run/secrets/workload-spiffe-credentials"),
    ("workload-socket", "/var/run/secrets/workload-spiffe-uds"),
];

const LINKERD_PROXY_MOUNTS: [Mount; 4] = [
    ("linkerd-identity-end-entity", "/var/run/linkerd/identity/end-entity"),
    ("linkerd-identity-token", "/var/run/secrets/tokens"),
    ("linkerd-podinfo", "/var/run/linkerd/podinfo"),
    ("podinfo", "/var/run/linkerd/podinfo"),
];

/// The lock of iptables.
const LINKERD_INIT_MOUNTS: [Mount; 1] = [("linkerd-proxy-init-xtables-lock", "/run")];

/// Where every container has its service account's token, of a volume that the API server or a mesh names.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Whether a container has no mounts but those that its injector and the API server write.
pub(super) fn are_mounts(kind: Kind, container: &Fields) -> bool {
    let own: &[Mount] = match kind {
        Kind::IstioProxy => &ISTIO_PROXY_MOUNTS,
        Kind::IstioInit => &[],
        Kind::LinkerdProxy => &LINKERD_PROXY_MOUNTS,
        Kind::LinkerdInit => &LINKERD_INIT_MOUNTS,
    };
    are_all(container, "volumeMounts", |mount| {
        let text = |field: &str| mount.get(field).and_then(Value::as_str).unwrap_or_default();
        // Linkerd leaves the first slash out, and Istio writes a last one.
        let path = text("mountPath").trim_matches('/');
        let is_at = |folder: &str| folder.strip_prefix('/') == Some(path);
        is_at(SERVICE_ACCOUNT) || own.iter().any(|(name, folder)| *name == text("name") && is_at(folder))
    })
}

fn are_all(container: &Fields, field: &str, is_right: impl Fn(&Value) -> bool) -> bool {
    get(container, &[field]).is_none_or(Value::is_array) && get_list(container, &[field]).iter().all(is_right)
}
