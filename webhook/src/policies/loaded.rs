//! Policies that were loaded, with everything that is known of them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use sallyport_admission::{Exception, Namespace, PolicySet, Source};
use sallyport_policy::{FieldPath, Severity};
use sallyport_traffic::TrafficPolicySpec;
use sallyport_traffic::program::PolicyName;

use crate::source::{Document, Located, Location};

/// What was loaded, and everything that is to be said about it.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The policies that are right.
    pub set: PolicySet,
    /// The namespaces that are described beside the policies.
    pub namespaces: BTreeMap<String, Namespace>,
    /// The document of each WorkloadPolicy, by its name; none where they were not to be kept.
    pub documents: HashMap<String, Document>,
    /// The document of each TrafficPolicy that is right, by what a [`Source`] calls it; none where they were not to be kept.
    pub(super) traffic_documents: HashMap<Arc<str>, Document>,
    /// The PolicyExceptions that are right, with their documents.
    pub exceptions: Vec<(Exception, Document)>,
    /// The TrafficPolicies that are right. They are checked, and this gate asks whom they select; nothing attaches
    /// them to Envoy yet.
    pub traffic: Vec<(PolicyName, TrafficPolicySpec)>,
    /// The files that hold any of this.
    pub files: HashSet<String>,
    /// What this set is named by, in logs: `sha256:…` over all its documents.
    pub digest: Arc<str>,
    /// Errors and warnings.
    pub findings: Vec<Located>,
}

impl Loaded {
    /// Whether something is wrong.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.findings.iter().any(|located| located.diagnostic.severity == Severity::Error)
    }

    /// What of all this is checked and not in force where there is no cluster, in a sentence. To be said loudly: a policy that is thought to be
    /// in force and is not is worse than none.
    #[must_use]
    pub fn not_in_force(&self) -> Option<String> {
        let (policies, them) =
            if self.traffic.len() == 1 { ("TrafficPolicy", "it") } else { ("TrafficPolicies", "them") };
        (!self.traffic.is_empty()).then(|| {
            format!(
                "checked here, and not in force by that: {} {policies}. In a cluster Sallyport attaches {them} to the mesh's \
                 proxies; `sallyport render` prints what attaches {them}",
                self.traffic.len()
            )
        })
    }

    /// How many resources beside the WorkloadPolicies are right.
    #[must_use]
    pub fn others(&self) -> usize {
        self.exceptions.len() + self.traffic.len()
    }

    /// `file:line` of a policy's entry.
    #[must_use]
    pub fn place_of(&self, entry: &Source) -> Option<String> {
        let (document, at) = self.locate(entry)?;
        Some(format!("{}:{}", document.origin.name(), at.line))
    }

    /// Where a policy's entry stands, or the policy's name.
    #[must_use]
    pub fn locate(&self, entry: &Source) -> Option<(&Document, Location)> {
        let document =
            self.documents.get(&*entry.policy).or_else(|| self.traffic_documents.get(&entry.policy))?;
        let path = match entry.list.field() {
            None => FieldPath::of("metadata.name"),
            Some(list) => FieldPath::of("spec").field(list).named(entry.entry.to_string()),
        };
        Some((document, document.locate(&path)))
    }

    /// What is known of a namespace.
    #[must_use]
    pub fn namespace(&self, name: &str) -> Option<&Namespace> {
        self.namespaces.get(name)
    }
}
