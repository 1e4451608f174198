//! Labels and annotations that must be there.

use sallyport_policy::{Diagnostics, FieldPath};

use super::{Report, Rule, Subject};
use crate::resources::MetadataRule;

/// The rule, compiled.
#[derive(Debug)]
pub(crate) struct RequiredMetadata;

impl RequiredMetadata {
    pub(crate) fn compile(_rule: &MetadataRule, _path: &FieldPath, _found: &mut Diagnostics) -> Self {
        Self
    }
}

impl Rule for RequiredMetadata {
    fn judge(&self, _subject: &Subject<'_>, _report: &mut Report) {}
}
