//! `sallyport completions`: a shell's completion script.

use std::io::{self, Write as _};

use clap::{Args, CommandFactory as _};
use clap_complete::{Shell, generate};

use super::{Cli, Ending};

#[derive(Args)]
pub(super) struct CompletionsArgs {
    /// The shell that the script is for
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

pub(super) fn run(args: &CompletionsArgs) -> anyhow::Result<Ending> {
    // Made as a whole first: a reader that goes away is no failure, and the generator would panic of it.
    let mut script = Vec::new();
    generate(args.shell, &mut Cli::command(), "sallyport", &mut script);
    io::stdout().lock().write_all(&script)?;
    Ok(Ending::Passed)
}
