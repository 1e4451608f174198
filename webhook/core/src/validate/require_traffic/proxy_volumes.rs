//! The volumes that Istio's proxy has of its pod.
//!
//! In one of them the agent writes Envoy's bootstrap, which Envoy reads, once more whenever it is started again; another
//! says to the control plane which labels the pod has, and so which configuration is meant for it. Who fills them decides
//! what the proxy does.

use serde_json::Value;

use crate::object::{Container, Fields, Pod, get, get_list, get_str, name_of};
use crate::validate::Report;
use crate::validate::shape::{ElementAt, FieldAt, list_in};

/// A volume as the injector writes it.
struct Own {
    name: &'static str,
    is_right: fn(&Fields) -> bool,
    wanted: &'static str,
    /// Whether a container that mounts it could write to it.
    is_writable: bool,
}

const fn scratch(name: &'static str) -> Own {
    Own { name, is_right: |volume| is_of(volume, "emptyDir"), wanted: "an emptyDir", is_writable: true }
}

const OWN: [Own; 8] = [
    scratch("istio-envoy"),
    scratch("istio-data"),
    scratch("credential-socket"),
    scratch("workload-certs"),
    // Or the socket of an agent that issues identities, by a driver that the cluster's operator chose.
    Own {
        name: "workload-socket",
        is_right: |volume| is_of(volume, "emptyDir") || is_of(volume, "csi"),
        wanted: "an emptyDir or a csi volume",
        is_writable: true,
    },
    Own {
        name: "istio-podinfo",
        is_right: |volume| is_of(volume, "downwardAPI") && tells_of_the_pod(volume),
        wanted: "the pod's own labels and annotations by downwardAPI",
        is_writable: false,
    },
    Own {
        name: "istio-token",
        is_right: |volume| is_of(volume, "projected") && is_token(volume),
        wanted: "a projected serviceAccountToken",
        is_writable: false,
    },
    Own {
        name: "istiod-ca-cert",
        is_right: is_root_certificate,
        wanted: "the mesh's root certificate",
        is_writable: false,
    },
];

const WHY: &str = "so that the proxy's configuration is its own";

/// Reports volumes of those names that outlive the pod, that others fill, or that tell of another pod.
pub(super) fn judge(pod: Pod<'_>, report: &mut Report) {
    for volume in list_in(pod.spec(), &"spec", "volumes", report) {
        let Some(own) = OWN.iter().find(|own| own.name == name_of(volume)) else { continue };
        if !volume.as_object().is_some_and(own.is_right) {
            let message = format!("found another volume than the injector's; wanted {}, {WHY}", own.wanted);
            report.violation(ElementAt(&"spec.volumes", &own.name), message);
        }
    }
}

/// Reports that a container, which is not the proxy, mounts what it could write to.
pub(super) fn judge_mounts(container: &Container<'_>, report: &mut Report) {
    for mount in list_in(container.fields, &container.path, "volumeMounts", report) {
        if let Some(own) = OWN.iter().find(|own| own.is_writable && own.name == name_of(mount)) {
            let at = FieldAt(&container.path, "volumeMounts");
            report.violation(ElementAt(&at, &own.name), format!("found a mount; wanted none, {WHY}"));
        }
    }
}

/// Whether a volume is of this source and of no other.
fn is_of(volume: &Fields, source: &str) -> bool {
    let mut sources = volume.iter().filter(|(field, value)| *field != "name" && !value.is_null());
    sources.all(|(field, _)| field == source) && volume.get(source).is_some_and(|value| !value.is_null())
}

fn tells_of_the_pod(volume: &Fields) -> bool {
    get_list(volume, &["downwardAPI", "items"]).iter().all(|item| {
        let Some(item) = item.as_object() else { return false };
        let field = get_str(item, &["fieldRef", "fieldPath"]);
        match get_str(item, &["path"]) {
            Some("labels") => field == Some("metadata.labels"),
            Some("annotations") => field == Some("metadata.annotations"),
            Some(path) => path.starts_with("cpu-") && get(item, &["resourceFieldRef"]).is_some(),
            None => false,
        }
    })
}

/// The ConfigMap that istiod keeps in every namespace, or, where the cluster has them, its ClusterTrustBundle.
fn is_root_certificate(volume: &Fields) -> bool {
    let is_bundle = |source: &Value| {
        let mut fields = source.as_object().into_iter().flatten().filter(|(_, value)| !Value::is_null(value));
        fields.all(|(field, bundle)| {
            field == "clusterTrustBundle"
                && bundle.get("name") == Some(&"istio.io:istiod-ca:root-cert".into())
        })
    };
    let in_config_map = get_str(volume, &["configMap", "name"]) == Some("istio-ca-root-cert");
    (is_of(volume, "configMap") && in_config_map)
        || (is_of(volume, "projected") && get_list(volume, &["projected", "sources"]).iter().all(is_bundle))
}

fn is_token(volume: &Fields) -> bool {
    get_list(volume, &["projected", "sources"]).iter().all(|source| {
        let mut fields = source.as_object().into_iter().flatten().filter(|(_, value)| !Value::is_null(value));
        fields.all(|(field, _)| field == "serviceAccountToken")
    })
}
