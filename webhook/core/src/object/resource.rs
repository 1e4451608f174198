//! The resource of a kind, and whether its objects have a namespace: what discovery would say, were there an API server
//! to ask.

use serde_json::Value;

use crate::{GroupVersionKind, GroupVersionResource};

/// The kinds of Kubernetes' own groups, and of ours, whose objects have no namespace.
const CLUSTER_SCOPED: [(&str, &[&str]); 16] = [
    ("", &["ComponentStatus", "Namespace", "Node", "PersistentVolume"]),
    (
        "admissionregistration.k8s.io",
        &[
            "MutatingAdmissionPolicy",
            "MutatingAdmissionPolicyBinding",
            "MutatingWebhookConfiguration",
            "ValidatingAdmissionPolicy",
            "ValidatingAdmissionPolicyBinding",
            "ValidatingWebhookConfiguration",
        ],
    ),
    ("apiextensions.k8s.io", &["CustomResourceDefinition"]),
    ("apiregistration.k8s.io", &["APIService"]),
    ("authentication.k8s.io", &["SelfSubjectReview", "TokenReview"]),
    ("authorization.k8s.io", &["SelfSubjectAccessReview", "SelfSubjectRulesReview", "SubjectAccessReview"]),
    ("certificates.k8s.io", &["CertificateSigningRequest", "ClusterTrustBundle"]),
    ("flowcontrol.apiserver.k8s.io", &["FlowSchema", "PriorityLevelConfiguration"]),
    ("gateway.networking.k8s.io", &["GatewayClass"]),
    ("networking.k8s.io", &["IPAddress", "IngressClass", "ServiceCIDR"]),
    ("node.k8s.io", &["RuntimeClass"]),
    ("rbac.authorization.k8s.io", &["ClusterRole", "ClusterRoleBinding"]),
    ("resource.k8s.io", &["DeviceClass", "DeviceTaintRule", "ResourceSlice"]),
    (sallyport_policy::GROUP, &["WorkloadPolicy"]),
    ("scheduling.k8s.io", &["PriorityClass"]),
    (
        "storage.k8s.io",
        &["CSIDriver", "CSINode", "StorageClass", "VolumeAttachment", "VolumeAttributesClass"],
    ),
];

impl GroupVersionKind {
    /// What an object says that it is; empty where it does not.
    #[must_use]
    pub fn of(object: &Value) -> Self {
        let text = |field| object.get(field).and_then(Value::as_str).unwrap_or_default();
        let (group, version) = text("apiVersion").split_once('/').unwrap_or(("", text("apiVersion")));
        Self { group: group.to_owned(), version: version.to_owned(), kind: text("kind").to_owned() }
    }

    /// Its resource. Custom resources may be called anything; nearly all of them follow the same rule.
    #[must_use]
    pub fn resource(&self) -> GroupVersionResource {
        GroupVersionResource {
            group: self.group.clone(),
            version: self.version.clone(),
            resource: plural(&self.kind).to_lowercase(),
        }
    }

    /// Whether its objects have no namespace. Of groups that are not Kubernetes' own that is not known; most of their
    /// kinds have one.
    #[must_use]
    pub fn is_cluster_scoped(&self) -> bool {
        let kinds = CLUSTER_SCOPED.iter().filter(|(group, _)| *group == self.group);
        kinds.flat_map(|(_, kinds)| *kinds).any(|kind| *kind == self.kind)
    }
}

/// The kind as people write it who think of the resource: `Pods`, `Ingresses`, `NetworkPolicies`, `Gateways`.
pub(crate) fn plural(kind: &str) -> String {
    const ES: [&str; 5] = ["s", "x", "z", "ch", "sh"];
    match kind.strip_suffix('y') {
        _ if kind == "Endpoints" => kind.to_owned(),
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{stem}ies"),
        None if ES.iter().any(|end| kind.ends_with(end)) => format!("{kind}es"),
        _ => format!("{kind}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_is_called_as_the_api_server_calls_it() {
        for (kind, resource) in [
            ("Pod", "pods"),
            ("Endpoints", "endpoints"),
            ("Ingress", "ingresses"),
            ("NetworkPolicy", "networkpolicies"),
            ("Gateway", "gateways"),
            ("CSIStorageCapacity", "csistoragecapacities"),
            ("Mesh", "meshes"),
        ] {
            let gvk = GroupVersionKind { kind: kind.to_owned(), ..GroupVersionKind::default() };
            assert_eq!(gvk.resource().resource, resource);
        }
    }

    #[test]
    fn a_kind_of_another_group_has_a_namespace() {
        let gvk = |group: &str, kind: &str| GroupVersionKind {
            group: group.to_owned(),
            version: "v1".to_owned(),
            kind: kind.to_owned(),
        };
        assert!(
            gvk("", "Node").is_cluster_scoped() && gvk("storage.k8s.io", "CSIDriver").is_cluster_scoped()
        );
        assert!(!gvk("example.com", "Node").is_cluster_scoped() && !gvk("", "Pod").is_cluster_scoped());
    }
}
