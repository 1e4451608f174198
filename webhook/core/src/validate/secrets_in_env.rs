//! No secret stands literally in a container's environment.

use sallyport_policy::{Diagnostics, FieldPath};

use super::{Report, Rule, Subject};
use crate::resources::Forbidden;

/// The rule, compiled.
#[derive(Debug)]
pub(crate) struct SecretsInEnv;

impl SecretsInEnv {
    pub(crate) fn compile(_rule: &Forbidden, _path: &FieldPath, _found: &mut Diagnostics) -> Self {
        Self
    }
}

impl Rule for SecretsInEnv {
    fn judge(&self, _subject: &Subject<'_>, _report: &mut Report) {}
}
