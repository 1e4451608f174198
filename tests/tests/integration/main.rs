//! Every integration test, in one binary: it links once, and its tests share one control plane.

use std::path::Path;

mod absences;
mod audit;
mod cel;
mod control_plane;
mod crds;
mod defaults;
mod docs;
mod ephemeral;
mod examples;
mod installed;
mod kinds;
mod mutation;
mod pod_security;
mod refusals;
mod reinvocation;
mod resources;
mod standalone;
mod updates;
mod verdicts;

/// The program, as cargo built it beside these tests.
fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_sallyport-under-test"))
}
