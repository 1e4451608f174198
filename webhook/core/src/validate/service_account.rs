//! The pod's service account is named.

use sallyport_policy::{Diagnostics, FieldPath};

use super::{Report, Rule, Subject};
use crate::resources::ServiceAccountRule;

/// The rule, compiled.
#[derive(Debug)]
pub(crate) struct NamedServiceAccount;

impl NamedServiceAccount {
    pub(crate) fn compile(_rule: &ServiceAccountRule, _path: &FieldPath, _found: &mut Diagnostics) -> Self {
        Self
    }
}

impl Rule for NamedServiceAccount {
    fn judge(&self, _subject: &Subject<'_>, _report: &mut Report) {}
}
