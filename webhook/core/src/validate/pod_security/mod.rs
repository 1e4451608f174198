//! The Pod Security Standards.

use sallyport_policy::{Diagnostics, FieldPath};

use super::{Report, Rule, Subject};
use crate::resources::PodSecurityRule;

/// The rule, compiled.
#[derive(Debug)]
pub(crate) struct PodSecurity;

impl PodSecurity {
    pub(crate) fn compile(_rule: &PodSecurityRule, _path: &FieldPath, _found: &mut Diagnostics) -> Self {
        Self
    }
}

impl Rule for PodSecurity {
    fn judge(&self, _subject: &Subject<'_>, _report: &mut Report) {}
}
