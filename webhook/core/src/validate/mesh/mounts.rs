//! What a mesh's own container has mounted: the volumes that its injector writes, where it writes them.

use serde_json::Value;

use super::{Kind, are_all};
use crate::object::Fields;

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
