//! What the API server asks: the request of an AdmissionReview (admission.k8s.io/v1).

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The `request` of an AdmissionReview. Objects stay untyped, so that no field is lost.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// Identifies this call; the response repeats it.
    pub uid: String,
    /// The kind as the webhook's rules asked for it (`matchPolicy: Equivalent` converts to it).
    pub kind: GroupVersionKind,
    /// The resource as the webhook's rules asked for it.
    pub resource: GroupVersionResource,
    /// The subresource, such as `ephemeralcontainers`; empty for the resource itself.
    #[serde(default)]
    pub sub_resource: String,
    /// The kind as the client sent it; equal to `kind` where nothing was converted.
    #[serde(default)]
    pub request_kind: Option<GroupVersionKind>,
    /// The resource as the client named it.
    #[serde(default)]
    pub request_resource: Option<GroupVersionResource>,
    /// The subresource as the client named it.
    #[serde(default)]
    pub request_sub_resource: String,
    /// The object's name; empty when the API server is yet to generate it.
    #[serde(default)]
    pub name: String,
    /// The object's namespace; empty for cluster-scoped objects.
    #[serde(default)]
    pub namespace: String,
    /// What is being done.
    pub operation: Operation,
    /// Who does it.
    #[serde(default)]
    pub user_info: UserInfo,
    /// The object as it would be stored; null on DELETE.
    #[serde(default)]
    pub object: Value,
    /// The object as it is stored; null on CREATE and CONNECT.
    #[serde(default)]
    pub old_object: Value,
    /// Whether nothing will be stored.
    #[serde(default)]
    pub dry_run: Option<bool>,
    /// The options of the operation, such as a meta.k8s.io/v1 CreateOptions; null where there are none.
    #[serde(default)]
    pub options: Value,
}

/// A group, version and kind: `apps/v1 Deployment`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub struct GroupVersionKind {
    /// The API group; empty for the core group.
    #[serde(default)]
    pub group: String,
    /// The version within the group.
    pub version: String,
    /// The kind.
    pub kind: String,
}

/// A group, version and resource: `apps/v1 deployments`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub struct GroupVersionResource {
    /// The API group; empty for the core group.
    #[serde(default)]
    pub group: String,
    /// The version within the group.
    pub version: String,
    /// The resource, in the plural.
    pub resource: String,
}

/// What is being done to an object.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize, schemars::JsonSchema,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum Operation {
    /// The object is new.
    Create,
    /// The object is replaced or patched.
    Update,
    /// The object is removed.
    Delete,
    /// A connection to the object is opened (exec, attach, portforward, proxy).
    Connect,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
        })
    }
}

/// Who makes a request, as the API server authenticated it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct UserInfo {
    /// The user's name, such as `system:serviceaccount:ci:deployer`.
    #[serde(default)]
    pub username: String,
    /// What identifies the user across time; empty where the authenticator knows none.
    #[serde(default)]
    pub uid: String,
    /// The user's groups.
    #[serde(default)]
    pub groups: Vec<String>,
    /// What else the authenticator says of the user.
    #[serde(default)]
    pub extra: BTreeMap<String, Vec<String>>,
}

/// What is known of a namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespace {
    /// Its name.
    pub name: String,
    /// Its labels. The API server always sets `kubernetes.io/metadata.name` to the name.
    pub labels: BTreeMap<String, String>,
    /// Whether it is being deleted, with all that is in it.
    pub terminating: bool,
}

impl Namespace {
    /// A namespace of which only the name is known: its one certain label is `kubernetes.io/metadata.name`.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        let name = name.into();
        let labels = BTreeMap::from([("kubernetes.io/metadata.name".to_owned(), name.clone())]);
        Self { name, labels, terminating: false }
    }
}
