//! `sallyport completions`: a shell's completion script.

use std::io::{self, Write as _};

use clap::{Args, CommandFactory as _};
use clap_complete::{Shell, generate};

use super::{Cli, Ending};

/// Where each shell looks for completion scripts.
const PLACES: &str = "\
Where to put the script, for completion in every new shell:
  bash        sallyport completions bash > ~/.local/share/bash-completion/completions/sallyport
  zsh         sallyport completions zsh > DIR/_sallyport, where DIR is a folder of $fpath
  fish        sallyport completions fish > ~/.config/fish/completions/sallyport.fish
  elvish      sallyport completions elvish >> ~/.config/elvish/rc.elv
  powershell  sallyport completions powershell >> $PROFILE";

#[derive(Args)]
#[command(after_help = PLACES)]
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
