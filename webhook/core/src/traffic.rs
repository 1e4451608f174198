//! What admission knows of the traffic policies: whom they select, and what they do.

use sallyport_policy::Selector;

/// One TrafficPolicy, as far as `requireTraffic` asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrafficSelector {
    /// The TrafficPolicy's namespace; it selects pods of no other, unless it is mesh-wide.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The pods that it selects, by their labels. Empty: all of the namespace.
    pub selector: Selector,
    /// Whether it stands in the mesh's root namespace, and is for the pods of all namespaces.
    pub mesh_wide: bool,
    /// Whether it is enforced, and not only followed: its mode is not Shadow.
    pub enforced: bool,
    /// Whether it has rate limits.
    pub rate_limits: bool,
    /// Whether it checks tokens.
    pub jwt: bool,
}
