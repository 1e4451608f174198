//! Formats that other programs read.

pub(super) mod diff;
pub(super) mod junit;
pub(super) mod sarif;
