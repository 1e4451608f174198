//! Traffic policies select the pod, and its traffic passes them.

use sallyport_policy::{Diagnostics, FieldPath};

use super::{Report, Rule, Subject};
use crate::resources::TrafficRequirement;

/// The rule, compiled.
#[derive(Debug)]
pub(crate) struct RequireTraffic;

impl RequireTraffic {
    pub(crate) fn compile(_rule: &TrafficRequirement, _path: &FieldPath, _found: &mut Diagnostics) -> Self {
        Self
    }
}

impl Rule for RequireTraffic {
    fn judge(&self, _subject: &Subject<'_>, _report: &mut Report) {}
}
