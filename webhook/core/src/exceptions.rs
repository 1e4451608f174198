//! PolicyExceptions in force, and the authority that they have.
//!
//! An exception is its author's word, and its author may be whom the policy is about. So it counts only where the
//! *policy* says so: in the namespaces that `exceptions.namespaces` lists, for objects of the exception's own
//! namespace, and for no longer than `exceptions.maxDuration` after it was created.

use std::fmt;

use sallyport_policy::{Diagnostics, FieldPath, Glob, Selector};
use serde_json::Value;

use crate::compile::Policy;
use crate::object::{get_list, get_str};
use crate::resources::{ExceptionMatch, ExceptionOwner, PolicyExceptionSpec};
use crate::{GroupVersionKind, Source};

/// A PolicyException that is right, ready to be asked.
#[derive(Clone, Debug)]
pub struct Exception {
    namespace: String,
    name: String,
    /// When it was created, in Unix seconds; `None` where nobody but its author says so.
    created: Option<i64>,
    expires: i64,
    /// The policies by name, and their entries; no entries are all of them.
    policies: Vec<(String, Vec<String>)>,
    kinds: Vec<String>,
    names: Vec<Glob>,
    generate_names: Vec<Glob>,
    owners: Vec<ExceptionOwner>,
    selector: Selector,
}

impl Exception {
    /// Compiles an exception. Gives the findings too: only warnings beside an exception, errors where there is none.
    ///
    /// `created` is its `metadata.creationTimestamp` in Unix seconds, as the API server wrote it; `None` for a file,
    /// where it would be its author's own claim.
    #[must_use]
    pub fn compile(
        namespace: &str,
        name: &str,
        created: Option<i64>,
        spec: &PolicyExceptionSpec,
    ) -> (Option<Self>, Diagnostics) {
        let mut found = spec.check();
        if namespace.is_empty() {
            let at = FieldPath::of("metadata.namespace");
            found.error(at, "no namespace; an exception is for objects of its own namespace");
        }
        let ExceptionMatch { kinds, names, generate_names, owners, object_selector } = &spec.matches;
        let at = FieldPath::of("spec.match.objectSelector");
        let selector = object_selector.clone().unwrap_or_default().compile(&at, &mut Diagnostics::default());
        let exception = spec.expires_at().filter(|_| !found.has_errors()).map(|expires| Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            created,
            expires,
            policies: spec.policies.iter().map(|p| (p.name.clone(), p.entries.clone())).collect(),
            kinds: kinds.clone(),
            names: names.clone(),
            generate_names: generate_names.clone(),
            owners: owners.clone(),
            selector,
        });
        (exception, found)
    }

    /// The namespace that it stands in, and is about.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// When it ends, in Unix seconds.
    #[must_use]
    pub fn expires(&self) -> i64 {
        self.expires
    }

    /// The names of its policies.
    #[must_use = "an iterator does nothing by itself"]
    pub fn policies(&self) -> impl Iterator<Item = &str> {
        self.policies.iter().map(|(name, _)| name.as_str())
    }

    /// Whether a policy honours it now.
    ///
    /// # Errors
    /// Why not, in a word: the reason of the condition Honoured.
    pub fn honoured_by(&self, policy: &Policy, now: i64) -> Result<(), NotHonoured> {
        let rules = &policy.exceptions;
        if !self.policies.iter().any(|(name, _)| *name == *policy.name) {
            return Err(NotHonoured::UnknownPolicy);
        }
        if !rules.namespaces.contains(&self.namespace) {
            return Err(NotHonoured::NamespaceNotListed);
        }
        if now >= self.expires {
            return Err(NotHonoured::Expired);
        }
        // Without a creation that the API server wrote, it counts as created now.
        let longest = rules.max_duration.map(|longest| i64::try_from(longest.as_secs()).unwrap_or(i64::MAX));
        let begun = self.created.unwrap_or(now).min(now);
        if longest.is_some_and(|longest| self.expires.saturating_sub(begun) > longest) {
            return Err(NotHonoured::TooLong);
        }
        Ok(())
    }

    /// Whether it is about this entry of the policy.
    pub(crate) fn excepts(&self, policy: &Policy, entry: &Source) -> bool {
        let named = self.policies.iter().find(|(name, _)| **name == *policy.name);
        named.is_some_and(|(_, entries)| {
            entries.is_empty() || entries.iter().any(|name| policy.entry_named(name) == Some(entry))
        })
    }

    /// Whether it is about this object.
    pub(crate) fn matches(&self, subject: &Excepted<'_>) -> bool {
        let Some(object) = subject.object.as_object() else { return false };
        let any = |globs: &[Glob], text: &str| {
            globs.is_empty() || (!text.is_empty() && globs.iter().any(|glob| glob.matches(text)))
        };
        let owned = |owner: &ExceptionOwner| {
            get_list(object, &["metadata", "ownerReferences"]).iter().filter_map(Value::as_object).any(
                |own| {
                    own.get("controller") == Some(&Value::Bool(true))
                        && get_str(own, &["kind"]) == Some(&owner.kind)
                        && get_str(own, &["name"]).is_some_and(|name| owner.name.matches(name))
                },
            )
        };
        self.namespace == subject.namespace
            && (self.kinds.is_empty() || self.kinds.contains(&subject.kind.kind))
            && any(&self.names, subject.name)
            && any(&self.generate_names, get_str(object, &["metadata", "generateName"]).unwrap_or_default())
            && (self.owners.is_empty() || self.owners.iter().any(owned))
            && self.selector.matches(|key| get_str(object, &["metadata", "labels", key]))
    }
}

/// Written `PolicyException namespace/name`.
impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PolicyException {}/{}", self.namespace, self.name)
    }
}

/// The object that an exception may be about.
pub(crate) struct Excepted<'o> {
    pub(crate) namespace: &'o str,
    pub(crate) name: &'o str,
    pub(crate) kind: &'o GroupVersionKind,
    pub(crate) object: &'o Value,
}

/// Why a policy does not honour an exception.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotHonoured {
    /// It names no such policy.
    #[error("it does not name the policy")]
    UnknownPolicy,
    /// `exceptions.namespaces` does not list its namespace.
    #[error("the policy's exceptions.namespaces does not list its namespace")]
    NamespaceNotListed,
    /// It ends later than `exceptions.maxDuration` after its creation.
    #[error("it lasts longer than the policy's exceptions.maxDuration")]
    TooLong,
    /// It has ended.
    #[error("it has expired")]
    Expired,
}
