//! What a file of cases says.

use std::collections::BTreeMap;
use std::path::PathBuf;

use sallyport_admission::Operation;
use serde::Deserialize;
use serde_json::Value;

/// A file of cases: objects, and what should become of them.
///
/// ```yaml
/// apiVersion: sallyport.dev/v1alpha1
/// kind: PolicyTest
/// policies: [../policies]
/// cases:
///   - name: a pod that runs as root is refused
///     object: {apiVersion: v1, kind: Pod, ...}
///     expect:
///       violations: [hardening/restricted]
/// ```
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct PolicyTest {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    #[serde(default, rename = "metadata")]
    _metadata: Value,
    /// The policies of all cases that name none: files and folders, from this file's folder. The folder itself where
    /// nothing is said.
    #[serde(default)]
    pub(super) policies: Vec<PathBuf>,
    /// The namespace of objects that name none.
    #[serde(default)]
    pub(super) namespace: Option<String>,
    pub(super) cases: Vec<Case>,
}

/// An object, and what should become of it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Case {
    pub(super) name: String,
    /// Why it is not run.
    #[serde(default)]
    pub(super) skip: Option<String>,
    #[serde(default)]
    pub(super) policies: Vec<PathBuf>,
    /// The object itself.
    #[serde(default)]
    pub(super) object: Value,
    /// The file that has the object, from this file's folder.
    #[serde(default)]
    pub(super) file: Option<PathBuf>,
    /// Which object of the file: `Kind/name`.
    #[serde(default)]
    pub(super) document: Option<String>,
    /// What is changed in the object first: fields are set, elements of lists are found by their names, null takes a
    /// field away.
    #[serde(default, rename = "with")]
    pub(super) changed: Value,
    #[serde(default = "create")]
    pub(super) operation: Operation,
    /// The object as it is stored, for an UPDATE.
    #[serde(default)]
    pub(super) old_object: Value,
    /// `resource/subresource`, such as `pods/exec`, where they are not those of the object's kind.
    #[serde(default)]
    pub(super) resource: Option<String>,
    #[serde(default)]
    pub(super) user: String,
    #[serde(default)]
    pub(super) groups: Vec<String>,
    #[serde(default)]
    pub(super) namespace: Option<String>,
    #[serde(default)]
    pub(super) namespace_labels: Option<BTreeMap<String, String>>,
    /// The time of the request, in RFC 3339; exceptions end by it. Now, where nothing is said.
    #[serde(default)]
    pub(super) now: Option<String>,
    pub(super) expect: Expect,
}

/// What should become of an object and of the pod that it makes, in the object's own terms: what happens to a
/// Deployment's pod happens to its `spec.template`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Expect {
    /// Whether the object, and the pod that it makes, may pass. Where nothing is said: yes, unless violations are
    /// expected.
    #[serde(default)]
    pub(super) allowed: Option<bool>,
    /// The entries for which it is refused, all of them: `policy/entry`, or `policy/entry field`.
    #[serde(default)]
    pub(super) violations: Option<Vec<String>>,
    /// The entries of which the client is warned, all of them.
    #[serde(default)]
    pub(super) warnings: Option<Vec<String>>,
    /// The entries that only the audit log is told of, all of them.
    #[serde(default)]
    pub(super) audited: Option<Vec<String>>,
    /// The entries that left something alone, all of them.
    #[serde(default)]
    pub(super) left_alone: Option<Vec<String>>,
    /// The entries from which an exception was made, all of them.
    #[serde(default)]
    pub(super) excepted: Option<Vec<String>>,
    /// Fields with the values that the policies give them; null for none.
    #[serde(default)]
    pub(super) changes: BTreeMap<String, Value>,
    /// A part of the object as it should be in the end; null for a field that should not be there.
    #[serde(default)]
    pub(super) mutated: Value,
    /// Whether nothing at all should be changed.
    #[serde(default)]
    pub(super) unchanged: bool,
}

impl Expect {
    /// The lists of entries, with the names of their fields.
    pub(super) fn lists(&self) -> [(&'static str, Option<&Vec<String>>); 5] {
        [
            ("violations", self.violations.as_ref()),
            ("warnings", self.warnings.as_ref()),
            ("audited", self.audited.as_ref()),
            ("leftAlone", self.left_alone.as_ref()),
            ("excepted", self.excepted.as_ref()),
        ]
    }

    /// Whether it says anything.
    pub(super) fn says_something(&self) -> bool {
        self.allowed.is_some()
            || self.lists().iter().any(|(_, list)| list.is_some())
            || !self.changes.is_empty()
            || !self.mutated.is_null()
            || self.unchanged
    }

    /// Whether the object should pass.
    pub(super) fn allows(&self) -> bool {
        self.allowed.unwrap_or_else(|| self.violations.as_ref().is_none_or(Vec::is_empty))
    }
}

fn create() -> Operation {
    Operation::Create
}
