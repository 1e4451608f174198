//! Kinds as a policy names them.

use sallyport_policy::{Diagnostic, Diagnostics, FieldPath, nearest};

use super::built_in_kinds::BUILT_IN_KINDS;
use crate::object::plural;
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

impl KindPattern {
    /// `None` where it is wrong.
    pub(crate) fn compile(text: &str, path: FieldPath, found: &mut Diagnostics) -> Option<Self> {
        if text == "*" {
            return Some(Self::Any);
        }
        let (kind, group) = text.split_once('.').map_or((text, None), |(kind, group)| (kind, Some(group)));
        let is_plural = |known: &&str| group.is_none() && plural(known).eq_ignore_ascii_case(kind);
        let plural_of = BUILT_IN_KINDS.iter().find(|known| is_plural(known));
        if let Some(of) = plural_of.filter(|_| !BUILT_IN_KINDS.contains(&kind)) {
            found.error(path, format!("`{text}` is a resource; its kind is {of}"));
            return None;
        }
        let is_kind = kind.starts_with(|c: char| c.is_ascii_uppercase())
            && kind.chars().all(|c| c.is_ascii_alphanumeric());
        if !is_kind {
            let message = format!("`{text}` is not a kind; expected Pod, Certificate.cert-manager.io or *");
            let mut wrong = Diagnostic::error(path, message);
            // `apps/v1/Deployment` names its kind at the end.
            let last = text.rsplit('/').next().unwrap_or(text);
            wrong.help = nearest(last, BUILT_IN_KINDS).map(|meant| format!("did you mean {meant}?"));
            found.push(wrong);
            return None;
        }
        if let Some((kind, _)) =
            OUT_OF_REACH.iter().find(|(k, g)| *k == kind && group.is_none_or(|group| group == *g))
        {
            found.error(
                path,
                format!("{kind} is out of every policy's reach, so that the control plane can always run"),
            );
            return None;
        }
        Some(match group {
            Some(group) => Self::Of { kind: kind.to_owned(), group: group.to_owned() },
            None => Self::BuiltIn(kind.to_owned()),
        })
    }

    /// What is to be said where the kind is one that Kubernetes does not have: it is misspelt, or of another group.
    pub(crate) fn doubt(&self) -> Option<(String, String)> {
        let Self::BuiltIn(kind) = self else { return None };
        if BUILT_IN_KINDS.contains(&kind.as_str()) {
            return None;
        }
        let help = match nearest(kind, BUILT_IN_KINDS) {
            Some(meant) => format!("did you mean {meant}?"),
            None => format!("give its group too: {kind}.GROUP"),
        };
        Some((format!("Kubernetes 1.36 has no kind {kind}"), help))
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
