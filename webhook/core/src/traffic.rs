//! What admission knows of the traffic policies: whom they select, what they do, and which keys they need.

use sallyport_policy::Selector;

/// One TrafficPolicy in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrafficSelector {
    /// The TrafficPolicy's namespace; it selects pods of no other, unless it is mesh-wide.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The pods that it selects, by their labels. Empty: all of the namespace. `None` where it selects by `targetRefs`:
    /// whom, is not known here.
    pub selector: Option<Selector>,
    /// Whether it stands in the mesh's root namespace, and is for the pods of all namespaces.
    pub mesh_wide: bool,
    /// Whether it is enforced, and not only followed: its mode is not Shadow.
    pub enforced: bool,
    /// Whether it has rate limits.
    pub rate_limits: bool,
    /// Whether it checks tokens.
    pub jwt: bool,
    /// The keys of Secrets of its namespace that it checks tokens with, each once.
    pub keys: Vec<SecretKey>,
}

/// A key of a Secret that reaches proxies in an environment variable.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretKey {
    /// The variable's name ([`secret_variable`](sallyport_policy::secret_variable)).
    pub variable: String,
    /// The Secret's name.
    pub secret: String,
    /// The key within the Secret.
    pub key: String,
}

impl TrafficSelector {
    /// Whether it is known to select a pod of this namespace with these labels.
    pub(crate) fn selects<'l>(&self, namespace: &str, label: impl Fn(&str) -> Option<&'l str>) -> bool {
        (self.mesh_wide || self.namespace == namespace)
            && self.selector.as_ref().is_some_and(|selector| selector.matches(label))
    }
}
