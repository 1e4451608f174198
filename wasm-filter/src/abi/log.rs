//! Envoy's log.

use super::imports;
use super::status::Status;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// For whoever looks for a fault.
    Debug = 1,
    /// What happens seldom.
    Info = 2,
    /// What somebody should look at.
    Warn = 3,
    /// What does not work.
    Error = 4,
}

/// Whether a line of this level would be written: it need not be made else.
pub(crate) fn is_on(level: Level) -> bool {
    let mut least = 0;
    // SAFETY: the pointer is to a variable of our own, that nothing else refers to.
    let status = unsafe { imports::proxy_get_log_level(&raw mut least) };
    Status(status) != Status::OK || level as u32 >= least
}

/// Writes a line. It must hold nothing that a client said.
pub(crate) fn line(level: Level, text: &str) {
    // SAFETY: the pointer and size are those of a slice, which the proxy only reads.
    let _ = unsafe { imports::proxy_log(level as u32, text.as_ptr(), text.len()) };
}
