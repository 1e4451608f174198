//! Takes the filter into the program: the file that `SALLYPORT_FILTER` names. Without it the program has none, and says so.

use std::env;
use std::path::{Path, PathBuf};

fn main() {
    println!("cargo::rerun-if-env-changed=SALLYPORT_FILTER");
    println!("cargo::rustc-check-cfg=cfg(carries_filter)");
    let Some(given) = env::var_os("SALLYPORT_FILTER").filter(|given| !given.is_empty()) else { return };
    let path = PathBuf::from(given);
    assert!(path.is_absolute(), "SALLYPORT_FILTER={}: the path must be absolute", path.display());
    assert!(
        is_file(&path),
        "SALLYPORT_FILTER={}: there is no such file; `make filter` makes it",
        path.display()
    );
    println!("cargo::rerun-if-changed={}", path.display());
    println!("cargo::rustc-env=SALLYPORT_FILTER_PATH={}", path.display());
    println!("cargo::rustc-cfg=carries_filter");
}

fn is_file(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.is_file())
}
