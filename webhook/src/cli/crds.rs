//! `sallyport crds`: the CustomResourceDefinitions, as YAML.

use std::io::{self, Write as _};
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use serde::Serialize;

use super::Ending;
use crate::crds;

#[derive(Args)]
pub(super) struct CrdsArgs {
    /// Write a file for each into this folder, instead of printing them
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(super) fn run(args: &CrdsArgs) -> anyhow::Result<Ending> {
    let Some(dir) = &args.dir else {
        let mut out = io::stdout().lock();
        for (i, (_, definition)) in crds::all().iter().enumerate() {
            let separator = if i == 0 { "" } else { "---\n" };
            write!(out, "{separator}{}", yaml(definition)?)?;
        }
        return Ok(Ending::Passed);
    };
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make the folder {}", dir.display()))?;
    for (name, definition) in crds::all() {
        let path = dir.join(name);
        std::fs::write(&path, yaml(&definition)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(Ending::Passed)
}

/// A value as YAML, with a line break at its end.
pub(super) fn yaml(value: &impl Serialize) -> anyhow::Result<String> {
    // Long texts in one line: what is folded is hard to search, and harder to compare.
    let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
    let mut text = serde_saphyr::to_string_with_options(value, options)?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}
