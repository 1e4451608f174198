//! Requests and limits that must be there, and their bounds.

use sallyport_policy::{Diagnostics, FieldPath};

use super::{Report, Rule, Subject};
use crate::resources::ResourceRule;

/// The rule, compiled.
#[derive(Debug)]
pub(crate) struct ResourceBounds;

impl ResourceBounds {
    pub(crate) fn compile(_rule: &ResourceRule, _path: &FieldPath, _found: &mut Diagnostics) -> Self {
        Self
    }
}

impl Rule for ResourceBounds {
    fn judge(&self, _subject: &Subject<'_>, _report: &mut Report) {}
}
