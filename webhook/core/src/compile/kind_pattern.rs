//! Kinds as a policy names them.

use sallyport_policy::{Diagnostics, FieldPath};

use crate::{GroupVersionKind, PodBearing};

/// `*`, `Pod`, or with its group `Certificate.cert-manager.io`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KindPattern {
    Any,
    /// A kind of Kubernetes' own groups.
    BuiltIn(String),
    /// A kind of one group.
    Of {
        kind: String,
        group: String,
    },
}

/// What the control plane needs to start and to run; a policy must not be able to stop it.
const OUT_OF_REACH: [(&str, &str); 7] = [
    ("Node", ""),
    ("Lease", "coordination.k8s.io"),
    ("CertificateSigningRequest", "certificates.k8s.io"),
    ("TokenReview", "authentication.k8s.io"),
    ("SubjectAccessReview", "authorization.k8s.io"),
    ("MutatingWebhookConfiguration", "admissionregistration.k8s.io"),
    ("ValidatingWebhookConfiguration", "admissionregistration.k8s.io"),
];

/// Kinds that policies are often about, by which a plural is known for one.
const KNOWN: [&str; 22] = [
    "ConfigMap",
    "CronJob",
    "DaemonSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "Ingress",
    "Job",
    "Namespace",
    "NetworkPolicy",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Pod",
    "PodDisruptionBudget",
    "PodTemplate",
    "ReplicaSet",
    "ReplicationController",
    "Role",
    "RoleBinding",
    "Secret",
    "Service",
    "ServiceAccount",
    "StatefulSet",
];

/// The kind as people write it who think of the resource: `Pods`, `Ingresses`, `NetworkPolicies`.
fn plural(kind: &str) -> String {
    match kind.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None if kind.ends_with('s') => format!("{kind}es"),
        None => format!("{kind}s"),
    }
}

impl KindPattern {
    pub(crate) fn compile(text: &str, path: FieldPath, found: &mut Diagnostics) -> Self {
        let (kind, group) = text.split_once('.').map_or((text, None), |(kind, group)| (kind, Some(group)));
        if text == "*" {
            return Self::Any;
        }
        let is_kind = kind.starts_with(|c: char| c.is_ascii_uppercase())
            && kind.chars().all(|c| c.is_ascii_alphanumeric());
        if !is_kind {
            found.error(
                path,
                format!("`{text}` is not a kind; expected Pod, Certificate.cert-manager.io or *"),
            );
        } else if let Some(kind) = KNOWN.iter().find(|known| group.is_none() && kind == plural(known)) {
            found.error(path, format!("`{text}` is a resource; its kind is {kind}"));
        } else if let Some((kind, _)) =
            OUT_OF_REACH.iter().find(|(k, g)| *k == kind && group.is_none_or(|group| group == *g))
        {
            found.error(
                path,
                format!("{kind} is out of every policy's reach, so that the control plane can always run"),
            );
        }
        match group {
            Some(group) => Self::Of { kind: kind.to_owned(), group: group.to_owned() },
            None => Self::BuiltIn(kind.to_owned()),
        }
    }

    pub(crate) fn matches(&self, gvk: &GroupVersionKind) -> bool {
        match self {
            Self::Any => !is_out_of_reach(gvk),
            Self::BuiltIn(kind) => *kind == gvk.kind && is_built_in(&gvk.group),
            Self::Of { kind, group } => *kind == gvk.kind && *group == gvk.group,
        }
    }

    /// The kind's name; `None` for every kind.
    pub(crate) fn kind(&self) -> Option<&str> {
        match self {
            Self::Any => None,
            Self::BuiltIn(kind) | Self::Of { kind, .. } => Some(kind),
        }
    }

    /// Whether an object of this kind may hold a pod.
    pub(crate) fn may_hold_pod(&self) -> bool {
        let kinds = || PodBearing::ALL.into_iter();
        self.kind().is_none_or(|name| {
            kinds().any(|known| name == known.kind() && self.matches(&known.group_version_kind()))
        })
    }

    /// Whether an object may be of both.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        match (self.kind(), other.kind()) {
            (Some(a), Some(b)) => a == b,
            _ => true,
        }
    }
}

/// Kubernetes' own groups have no dot, or end in `.k8s.io`.
fn is_built_in(group: &str) -> bool {
    !group.contains('.') || group.ends_with(".k8s.io")
}

fn is_out_of_reach(gvk: &GroupVersionKind) -> bool {
    OUT_OF_REACH.iter().any(|(kind, group)| *kind == gvk.kind && *group == gvk.group)
}
