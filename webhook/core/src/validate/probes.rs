//! Probes that must be there.

use sallyport_policy::{Diagnostics, FieldPath};

use super::{Report, Rule, Subject};
use crate::resources::ProbeRule;

/// The rule, compiled.
#[derive(Debug)]
pub(crate) struct RequiredProbes;

impl RequiredProbes {
    pub(crate) fn compile(_rule: &ProbeRule, _path: &FieldPath, _found: &mut Diagnostics) -> Self {
        Self
    }
}

impl Rule for RequiredProbes {
    fn judge(&self, _subject: &Subject<'_>, _report: &mut Report) {}
}
