//! Starts the program.

use std::process::ExitCode;

/// A decision is mostly small allocations: with this one it takes two thirds of the time that it takes with glibc's
/// (`make bench`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    sallyport::cli::run()
}
