//! Names, each once.

/// The names sorted, each once: by sorting, so that thousands of them, as a client may send, cost no square of that. One
/// function for all that ask, since a sort is much code.
#[must_use]
pub(crate) fn distinct(mut names: Vec<&[u8]>) -> Vec<&[u8]> {
    names.sort_unstable();
    names.dedup();
    names
}
