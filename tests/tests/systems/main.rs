//! The five systems of `manifests/examples`, whole: as kustomize builds them, as an API server takes them, and line by line
//! against what their teams asked for.

use std::path::Path;

mod accepted;
mod admitted;
mod ai_imutis;
mod alerts;
mod alike;
mod analyzed;
mod environments;
mod financial_planning;
mod media_platform;
mod mini_visa;
mod mita;
mod paths;
mod references;
mod requirements;
mod routes;
mod selector;
mod tree;
mod workload;

/// The program, as cargo built it beside these tests.
fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_sallyport-under-test"))
}
