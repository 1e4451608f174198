//! `sallyport filter`: the filter that the program carries.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;

use super::Ending;
use crate::filter::Module;

#[derive(Args)]
pub(super) struct FilterArgs {
    /// Write it into this file
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) fn run(args: &FilterArgs) -> anyhow::Result<Ending> {
    let Some(module) = Module::carried() else {
        bail!("this program was built without the filter: `make filter` builds it by itself");
    };
    if let Some(path) = &args.output {
        fs::write(path, module.bytes()).with_context(|| format!("cannot write {}", path.display()))?;
    }
    anstream::println!("sha256 {}\nsize   {} bytes", module.digest(), module.bytes().len());
    Ok(Ending::Passed)
}
