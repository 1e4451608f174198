//! `sallyport man`: manual pages.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Command, CommandFactory as _};
use clap_mangen::Man;

use super::{Cli, Ending};

#[derive(Args)]
pub(super) struct ManArgs {
    /// Write a page for each command into this folder, instead of printing sallyport(1)
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(super) fn run(args: &ManArgs) -> anyhow::Result<Ending> {
    let mut program = Cli::command().disable_help_subcommand(true);
    program.build();
    match &args.dir {
        Some(dir) => {
            std::fs::create_dir_all(dir)
                .with_context(|| format!("cannot make the folder {}", dir.display()))?;
            for command in [&program].into_iter().chain(program.get_subcommands()) {
                let path = dir.join(format!("{}.1", name(command)));
                std::fs::write(&path, page(command)?)
                    .with_context(|| format!("cannot write {}", path.display()))?;
            }
        }
        None => io::stdout().lock().write_all(page(&program)?.as_bytes())?,
    }
    Ok(Ending::Passed)
}

/// What a page is called: `sallyport-test`.
fn name(command: &Command) -> String {
    command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned()
}

/// The page of a command, with the sections that man-pages(7) has.
fn page(command: &Command) -> io::Result<String> {
    let man = |command: Command| {
        let page = Man::new(command).source(concat!("sallyport ", env!("CARGO_PKG_VERSION")));
        page.manual("Sallyport")
    };
    let whole = man(command.clone());
    let mut page = Vec::new();
    whole.render_title(&mut page)?;
    whole.render_name_section(&mut page)?;
    whole.render_synopsis_section(&mut page)?;
    whole.render_description_section(&mut page)?;
    for (title, positional) in [("ARGUMENTS", true), ("OPTIONS", false)] {
        if command.get_arguments().any(|argument| argument.is_positional() == positional) {
            let part = command.clone().mut_args(|argument| {
                let other = argument.is_positional() != positional;
                if other { argument.hide(true) } else { argument }
            });
            let mut section = Vec::new();
            man(part).render_options_section(&mut section)?;
            retitled(&section, "OPTIONS", title, &mut page)?;
        }
    }
    if command.has_subcommands() {
        whole.render_subcommands_section(&mut page)?;
    }
    page.extend_from_slice(EXIT_STATUS.as_bytes());
    if command.get_after_help().is_some() {
        let mut section = Vec::new();
        whole.render_extra_section(&mut section)?;
        retitled(&section, "EXTRA", "NOTES", &mut page)?;
    }
    whole.render_version_section(&mut page)?;
    // Each section brings what all of them need once.
    let page = String::from_utf8_lossy(&page);
    let lines = page.split_inclusive('\n').filter(|line| !PREAMBLE.contains(line));
    Ok(PREAMBLE.into_iter().chain(lines).collect())
}

/// Makes an apostrophe of what stands for one.
const PREAMBLE: [&str; 2] = [".ie \\n(.g .ds Aq \\(aq\n", ".el .ds Aq '\n"];

/// Writes a section under another title.
fn retitled(section: &[u8], from: &str, to: &str, out: &mut impl Write) -> io::Result<()> {
    let section = String::from_utf8_lossy(section);
    write!(out, "{}", section.replacen(&format!(".SH {from}\n"), &format!(".SH {to}\n"), 1))
}

/// As [`Ending`] has it.
const EXIT_STATUS: &str = ".SH \"EXIT STATUS\"
.TP
0
Everything passed.
.TP
1
Something is refused, or a case fails.
.TP
2
The command was used wrongly, or its input is bad.
";
