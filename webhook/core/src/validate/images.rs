//! Where images come from and how they are named.

use sallyport_policy::{Diagnostics, FieldPath};

use super::{Report, Rule, Subject};
use crate::resources::ImageRule;

/// The rule, compiled.
#[derive(Debug)]
pub(crate) struct Images;

impl Images {
    pub(crate) fn compile(_rule: &ImageRule, _path: &FieldPath, _found: &mut Diagnostics) -> Self {
        Self
    }
}

impl Rule for Images {
    fn judge(&self, _subject: &Subject<'_>, _report: &mut Report) {}
}
