//! /proc Mount Type: what of `/proc` is masked stays masked, in a user namespace too.

use super::proc_mount;
use crate::validate::pod_security::control::{Control, Level, Revision};

/// Baseline's "/proc Mount Type" as it was before pods in user namespaces were let off, which at the level restricted
/// they are not.
pub(super) static CONTROL: Control = Control {
    id: "procMount_restricted",
    level: Level::Restricted,
    revisions: &[Revision::since(35, proc_mount::check_masked).overriding(&["procMount"])],
};
