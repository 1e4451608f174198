//! An immutable set of policies, indexed so that a decision looks only at those that may matter.

mod conflict;
mod index;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::compile::{CompiledEntry, CompiledRule, Facts, Policy};
use crate::exceptions::Exception;
use crate::traffic::TrafficSelector;
use crate::validate::{MeshImage, MeshImages, RequireTraffic};
pub use conflict::Conflict;
use index::Index;

/// A set of compiled policies in the order in which they apply: ascending priority, then name.
#[derive(Debug, Default)]
pub struct PolicySet {
    policies: Vec<Arc<Policy>>,
    index: Index,
    out_of_reach: Vec<String>,
    exceptions: HashMap<String, Vec<Exception>>,
    traffic: Vec<TrafficSelector>,
    /// What traffic policies have the proxies of their own namespace given, by that namespace.
    keys: HashMap<String, Vec<CompiledEntry>>,
    mesh_images: MeshImages,
    judges: bool,
    reads_managed_fields: bool,
}

/// Namespaces that no policy reaches unless the set is told otherwise, so that the control plane can always restart.
pub const NAMESPACES_OUT_OF_REACH: [&str; 2] = ["kube-system", "kube-node-lease"];

impl PolicySet {
    /// A set of policies. No policy reaches [`NAMESPACES_OUT_OF_REACH`].
    #[must_use]
    pub fn new(policies: Vec<Policy>) -> Self {
        Self::sharing(policies.into_iter().map(Arc::new).collect())
    }

    /// The same, of policies that other sets may have too: one that did not change is not compiled anew.
    #[must_use]
    pub fn sharing(mut policies: Vec<Arc<Policy>>) -> Self {
        policies.sort_by(|a, b| a.priority.cmp(&b.priority).then_with(|| a.name.cmp(&b.name)));
        let index = Index::of(&policies);
        let judges = policies.iter().any(|policy| !policy.rules.is_empty());
        let reads_managed_fields = policies.iter().any(|policy| policy.reads_managed_fields());
        Self {
            policies,
            index,
            out_of_reach: NAMESPACES_OUT_OF_REACH.map(str::to_owned).to_vec(),
            exceptions: HashMap::new(),
            traffic: Vec::new(),
            keys: HashMap::new(),
            mesh_images: MeshImages::default(),
            judges,
            reads_managed_fields,
        }
    }

    /// The set with one more namespace that no policy reaches, such as Sallyport's own.
    #[must_use]
    pub fn sparing(mut self, namespace: impl Into<String>) -> Self {
        self.out_of_reach.push(namespace.into());
        self
    }

    /// The set with these exceptions; each is honoured only where the policy says so.
    #[must_use]
    pub fn excepting(mut self, exceptions: impl IntoIterator<Item = Exception>) -> Self {
        for exception in exceptions {
            for policy in exception.policies() {
                self.exceptions.entry(policy.to_owned()).or_default().push(exception.clone());
            }
        }
        self
    }

    /// The exceptions, each once.
    pub fn all_exceptions(&self) -> impl Iterator<Item = &Exception> {
        let mut seen = HashSet::new();
        let all = self.exceptions.values().flatten();
        all.filter(move |exception| seen.insert((exception.namespace(), exception.name())))
    }

    /// The set that knows these traffic policies: for `requireTraffic`, and to give proxies the keys that they need.
    #[must_use]
    pub fn knowing(mut self, mut traffic: Vec<TrafficSelector>) -> Self {
        // What an object is given must not hang on the order in which they were read.
        traffic.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
        self.keys.clear();
        for policy in traffic.iter().filter(|policy| !policy.keys.is_empty()) {
            // A pod can have Secrets of its own namespace only, so that of a policy for the whole mesh too.
            let entries = self.keys.entry(policy.namespace.clone()).or_default();
            entries.push(CompiledEntry::of_traffic(policy));
        }
        self.traffic = traffic;
        self
    }

    /// The set that takes containers of these images for a mesh's own, where they are what its injector writes, and of
    /// no others; those of [`MESH_IMAGES`](crate::MESH_IMAGES) if there are none. The rule `images` leaves those alone
    /// that are named here.
    #[must_use]
    pub fn trusting_mesh_images(mut self, images: Vec<MeshImage>) -> Self {
        if !images.is_empty() {
            self.mesh_images = MeshImages::Named(images);
        }
        self
    }

    /// The set as it would be if every entry were in force, whatever its mode says now. `None` where another set shares
    /// its policies.
    #[must_use]
    pub fn all_enforced(mut self) -> Option<Self> {
        for policy in &mut self.policies {
            Arc::get_mut(policy)?.enforce();
        }
        Some(self)
    }

    /// The exceptions that name a policy.
    pub(crate) fn exceptions(&self, policy: &str) -> impl Iterator<Item = &Exception> {
        self.exceptions.get(policy).into_iter().flatten()
    }

    /// The traffic policies that there are, in the order of their namespaces and names.
    #[must_use]
    pub fn traffic(&self) -> &[TrafficSelector] {
        &self.traffic
    }

    /// The entries in mode Enforce that ask for traffic policies, each with its policy and with what it asks for.
    pub(crate) fn requirements(&self) -> impl Iterator<Item = (&Policy, &CompiledRule, &RequireTraffic)> {
        let policies = self.policies.iter().map(|policy| &**policy);
        policies.flat_map(|policy| {
            policy.requirements().map(move |(rule, requirement)| (policy, rule, requirement))
        })
    }

    /// Whether any entry in mode Enforce asks for traffic policies.
    #[must_use]
    pub fn requires_traffic(&self) -> bool {
        self.requirements().next().is_some()
    }

    /// What traffic policies have the proxies of a namespace given.
    pub(crate) fn keys(&self, namespace: &str) -> &[CompiledEntry] {
        self.keys.get(namespace).map_or(&[], Vec::as_slice)
    }

    /// The namespaces whose proxies are given keys.
    pub(crate) fn namespaces_of_keys(&self) -> impl Iterator<Item = &str> {
        self.keys.keys().map(String::as_str)
    }

    /// The meshes' own images.
    pub(crate) fn mesh_images(&self) -> &MeshImages {
        &self.mesh_images
    }

    /// Whether any policy validates.
    pub(crate) fn judges(&self) -> bool {
        self.judges
    }

    /// Whether any decision may depend on an object's `metadata.managedFields`: the record of who set which field, as
    /// large as the rest of an object. Where none does, decisions are the same without it.
    #[must_use]
    pub fn reads_managed_fields(&self) -> bool {
        self.reads_managed_fields
    }

    /// The policies in the order in which they apply.
    #[must_use]
    pub fn policies(&self) -> &[Arc<Policy>] {
        &self.policies
    }

    /// Where policies of this set contradict each other as far as can be seen without an object.
    #[must_use]
    pub fn conflicts(&self) -> Vec<Conflict<'_>> {
        conflict::find(&self.policies)
    }

    /// Whether no policy reaches this namespace.
    pub(crate) fn spares(&self, namespace: &str) -> bool {
        self.out_of_reach.iter().any(|spared| spared == namespace)
    }

    /// The policies that may be about a request, in the order in which they apply.
    pub(crate) fn candidates(&self, facts: &Facts<'_>, namespace: Option<&crate::Namespace>) -> Vec<&Policy> {
        let positions = self.index.candidates(facts.request, namespace);
        positions
            .into_iter()
            .filter_map(|position| self.policies.get(position))
            .map(|policy| &**policy)
            .collect()
    }
}
