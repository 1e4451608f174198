//! The pod is spread.

use sallyport_policy::{Diagnostics, FieldPath};

use super::{Report, Rule, Subject};
use crate::resources::SpreadRule;

/// The rule, compiled.
#[derive(Debug)]
pub(crate) struct RequiredSpread;

impl RequiredSpread {
    pub(crate) fn compile(_rule: &SpreadRule, _path: &FieldPath, _found: &mut Diagnostics) -> Self {
        Self
    }
}

impl Rule for RequiredSpread {
    fn judge(&self, _subject: &Subject<'_>, _report: &mut Report) {}
}
