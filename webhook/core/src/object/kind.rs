//! The kinds that hold a pod, and where.

use crate::GroupVersionKind;

/// A kind that is a pod or makes pods of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PodBearing {
    /// core Pod.
    Pod,
    /// apps Deployment.
    Deployment,
    /// apps ReplicaSet.
    ReplicaSet,
    /// apps StatefulSet.
    StatefulSet,
    /// apps DaemonSet.
    DaemonSet,
    /// core ReplicationController.
    ReplicationController,
    /// batch Job.
    Job,
    /// batch CronJob.
    CronJob,
    /// core PodTemplate.
    PodTemplate,
}

impl PodBearing {
    /// All nine, in the order in which the API reference lists them.
    pub const ALL: [Self; 9] = [
        Self::Pod,
        Self::Deployment,
        Self::ReplicaSet,
        Self::StatefulSet,
        Self::DaemonSet,
        Self::ReplicationController,
        Self::Job,
        Self::CronJob,
        Self::PodTemplate,
    ];

    /// The kind of this group and name, if it holds a pod.
    #[must_use]
    pub fn of(gvk: &GroupVersionKind) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.kind() == gvk.kind && kind.group() == gvk.group)
    }

    /// The kind's name.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Pod => "Pod",
            Self::Deployment => "Deployment",
            Self::ReplicaSet => "ReplicaSet",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
            Self::ReplicationController => "ReplicationController",
            Self::Job => "Job",
            Self::CronJob => "CronJob",
            Self::PodTemplate => "PodTemplate",
        }
    }

    /// The kind's API group; empty for the core group.
    #[must_use]
    pub const fn group(self) -> &'static str {
        match self {
            Self::Pod | Self::ReplicationController | Self::PodTemplate => "",
            Self::Deployment | Self::ReplicaSet | Self::StatefulSet | Self::DaemonSet => "apps",
            Self::Job | Self::CronJob => "batch",
        }
    }

    /// The kind whose controller makes objects of this one of its own template.
    #[must_use]
    pub(crate) const fn keeper(self) -> Option<Self> {
        match self {
            Self::ReplicaSet => Some(Self::Deployment),
            Self::Job => Some(Self::CronJob),
            _ => None,
        }
    }

    /// Group, version and kind.
    #[must_use]
    pub fn group_version_kind(self) -> GroupVersionKind {
        GroupVersionKind {
            group: self.group().to_owned(),
            version: "v1".to_owned(),
            kind: self.kind().to_owned(),
        }
    }

    /// The fields that lead to what has the pod's `metadata` and `spec`.
    #[must_use]
    pub const fn template(self) -> &'static [&'static str] {
        match self {
            Self::Pod => &[],
            Self::PodTemplate => &["template"],
            Self::CronJob => &["spec", "jobTemplate", "spec", "template"],
            _ => &["spec", "template"],
        }
    }

    /// The same as the start of a field path: empty, or with a dot at the end.
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Pod => "",
            Self::PodTemplate => "template.",
            Self::CronJob => "spec.jobTemplate.spec.template.",
            _ => "spec.template.",
        }
    }
}
