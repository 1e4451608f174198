//! File descriptors: a connection takes one, and so does all else.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::serve::{Limits, OPERATIONS_CONNECTIONS};

/// What is kept for all but the TLS port's connections: the plain port's, and policies, certificates, the audit log and
/// /proc, to be read and written.
const RESERVE: usize = OPERATIONS_CONNECTIONS + 64;
/// With fewer connections there is nothing to serve.
const FEWEST: usize = 16;

/// Lets the process open as many files as it may, and bounds the connections to what that leaves room for: so that they
/// take none from probes, metrics and reloads.
pub fn fit_to_descriptors(limits: &mut Limits) {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    let open = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(error) => {
            tracing::warn!(%error, limit = limit.current, "cannot raise the limit of open files");
            limit.current
        }
    };
    let Some(open) = open else { return };
    let connections = usize::try_from(open).unwrap_or(usize::MAX).saturating_sub(RESERVE).max(FEWEST);
    if connections < limits.connections {
        tracing::warn!(limit = open, connections, "the limit of open files bounds the connections");
        limits.connections = connections;
    }
}
