//! What is decided about a request, and the reason for every part of it.

use std::fmt;
use std::sync::Arc;

use json_patch::Patch;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What becomes of a policy's verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
pub enum Mode {
    /// Mutations are returned, violations refuse the request.
    #[default]
    Enforce,
    /// Mutations and violations are computed and returned as warnings to the client; the request passes unchanged.
    Warn,
    /// Mutations and violations are computed and written to the audit log; the request passes unchanged.
    Audit,
}

impl Mode {
    /// The same mode, but Warn where it would refuse.
    #[must_use]
    pub(crate) const fn without_refusal(self) -> Self {
        match self {
            Self::Enforce | Self::Warn => Self::Warn,
            Self::Audit => Self::Audit,
        }
    }
}

/// Which of a policy's two lists an entry stands in: names are unique in their list only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum List {
    /// In neither: it is about the policy as a whole.
    Whole,
    /// What it changes.
    Mutate,
    /// What it judges.
    Validate,
}

impl List {
    /// Its field in `spec`; `None` for a policy as a whole.
    #[must_use]
    pub const fn field(self) -> Option<&'static str> {
        match self {
            Self::Whole => None,
            Self::Mutate => Some("mutate"),
            Self::Validate => Some("validate"),
        }
    }

    fn is_whole(&self) -> bool {
        *self == Self::Whole
    }
}

/// The policy entry behind a change or a finding. Written `policy/entry`, or `policy`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Source {
    /// The policy's name: a WorkloadPolicy's alone, a TrafficPolicy's as [`Source::traffic`] has it.
    pub policy: Arc<str>,
    /// The list that the entry stands in.
    #[serde(skip_serializing_if = "List::is_whole")]
    pub list: List,
    /// The entry's name; empty where it is about the policy as a whole.
    pub entry: Arc<str>,
}

impl Source {
    /// A policy as a whole.
    #[must_use]
    pub fn whole(policy: &str) -> Self {
        Self { policy: policy.into(), list: List::Whole, entry: "".into() }
    }

    /// A TrafficPolicy as a whole. No WorkloadPolicy can be called that: a space stands in it.
    #[must_use]
    pub fn traffic(namespace: &str, name: &str) -> Self {
        Self::whole(&format!("TrafficPolicy {namespace}/{name}"))
    }

    /// An entry of `mutate`.
    #[must_use]
    pub fn mutation(policy: &str, entry: &str) -> Self {
        Self { policy: policy.into(), list: List::Mutate, entry: entry.into() }
    }

    /// An entry of `validate`.
    #[must_use]
    pub fn validation(policy: &str, entry: &str) -> Self {
        Self { policy: policy.into(), list: List::Validate, entry: entry.into() }
    }

    /// `policy/list/entry`, or `policy`: no two are written alike.
    #[must_use]
    pub fn in_full(&self) -> String {
        match self.list.field() {
            None => self.policy.to_string(),
            Some(list) => format!("{}/{list}/{}", self.policy, self.entry),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.policy)?;
        if self.entry.is_empty() { Ok(()) } else { write!(f, "/{}", self.entry) }
    }
}

/// A field that a policy entry set, changed or removed.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The entry that made the change.
    pub source: Source,
    /// Its mode: only `Enforce` changes are in the patch.
    pub mode: Mode,
    /// The field, as Kubernetes writes it: `spec.containers[api].securityContext.runAsNonRoot`.
    pub path: String,
    /// The value before; `None` when the field was absent.
    pub before: Option<Value>,
    /// The value after; `None` when the field was removed.
    pub after: Option<Value>,
}

/// What a policy entry has to say about a field: a violation, a warning, or a reason why nothing was filled in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The entry.
    #[serde(flatten)]
    pub source: Source,
    /// The entry's mode.
    #[serde(skip)]
    pub mode: Mode,
    /// The field, as Kubernetes writes it; empty for the object as a whole.
    pub path: String,
    /// What was found and what is wanted.
    pub message: String,
}

/// The answer to a request.
#[derive(Clone, Debug, Default)]
pub struct Decision {
    /// Whether any policy is about the request, as far as its conditions can be evaluated.
    pub matched: bool,
    /// Whether the request may go on.
    pub allowed: bool,
    /// Why not: all violations, not the first. Empty when allowed.
    pub violations: Vec<Finding>,
    /// What the client should be told although the request goes on.
    pub warnings: Vec<Finding>,
    /// Where an entry applied but left a field alone because filling it would contradict what the author set or
    /// would make the object invalid.
    pub skipped: Vec<Finding>,
    /// What entries would have done or refused, but for a PolicyException.
    pub excepted: Vec<Finding>,
    /// Every field that was changed, in the order of the changes.
    pub changes: Vec<Change>,
    /// The RFC 6902 patch that turns the request's object into [`Decision::mutated`]; empty when nothing changes.
    pub patch: Patch,
    /// The object after mutation; `None` when nothing changes.
    pub mutated: Option<Value>,
}
