//! What an API server serves, as its discovery says.

use crate::{GroupVersionKind, Operation};

/// A resource or a subresource that an API server serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// The resource's group; empty for the core group.
    pub group: String,
    /// `pods`, or with its subresource `pods/exec`.
    pub resource: String,
    /// The kind of what is sent: a Scale for `deployments/scale`, PodExecOptions for `pods/exec`.
    pub kind: GroupVersionKind,
    /// What can be done to it (`create`, `update`, `patch`, `delete`, `deletecollection` and those that only read).
    pub verbs: Vec<String>,
}

impl Served {
    /// The subresource; empty for the resource itself.
    pub(super) fn sub_resource(&self) -> &str {
        self.resource.split_once('/').map_or("", |(_, sub_resource)| sub_resource)
    }

    /// Whether it can be asked about at this operation. To connect is what clients send as create and get
    /// (k8s.io/apiserver, `pkg/endpoints/installer.go`: only resources that connect have kinds that end so).
    pub(super) fn allows(&self, operation: Operation) -> bool {
        let connects = !self.sub_resource().is_empty() && self.kind.kind.ends_with("Options");
        let any = |verbs: &[&str]| self.verbs.iter().any(|verb| verbs.contains(&verb.as_str()));
        match operation {
            Operation::Connect => connects,
            _ if connects => false,
            Operation::Create => any(&["create"]),
            Operation::Update => any(&["update", "patch"]),
            Operation::Delete => any(&["delete", "deletecollection"]),
        }
    }
}
