//! The command line.

mod admit;
mod check;
mod completions;
mod crds;
mod exceptions_in_vain;
mod explain;
mod fields;
mod filter;
mod judge;
mod log;
mod man;
mod misspelt;
mod offline;
mod output;
mod paint;
mod pause;
mod progress;
mod render;
mod serve;
mod simulate;
mod terminal;
mod test;
mod told;
mod unmatched;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::plain::visible_lines;

/// What a command ends with, as the exit code says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// 0: everything passed.
    Passed,
    /// 1: something is refused or failing.
    Refused,
    /// 2: the command was used wrongly, or its input is bad.
    BadInput,
}

impl From<Ending> for ExitCode {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Passed => Self::SUCCESS,
            Ending::Refused => Self::from(1),
            Ending::BadInput => Self::from(2),
        }
    }
}

/// Two gates for Kubernetes workloads under one set of policies.
#[derive(Parser)]
#[command(
    name = "sallyport",
    version,
    propagate_version = true,
    after_help = "Exit codes: 0 passed, 1 refused or failing, 2 wrong usage or bad input.\n\n\
                  To begin: sallyport check POLICIES, then sallyport admit --policies POLICIES OBJECTS"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the admission webhook
    Serve(Box<serve::ServeArgs>),
    /// Show what policies do to objects: what is changed, and what is refused
    Admit(admit::AdmitArgs),
    /// Show which policy, and which line of it, changed each field
    Explain(explain::ExplainArgs),
    /// Check policies: errors, and doubts such as two policies that contradict each other
    Check(check::CheckArgs),
    /// Run the cases that are declared beside policies: what should become of which object
    Test(test::TestArgs),
    /// Show what would become of objects if every policy were enforced, whatever its mode
    Simulate(simulate::SimulateArgs),
    /// Print what attaches the filter to proxies
    Render(Box<render::RenderArgs>),
    /// Show the filter that this program carries for proxies, or write it into a file
    Filter(filter::FilterArgs),
    /// Take Sallyport out of the API server's way for a while: nothing is changed or refused
    Pause(pause::PauseArgs),
    /// End a pause
    Resume(pause::ResumeArgs),
    /// Print the CustomResourceDefinitions of Sallyport's resources
    Crds(crds::CrdsArgs),
    /// Print a shell's completion script
    Completions(completions::CompletionsArgs),
    /// Print the manual page, or write one for each command
    Man(man::ManArgs),
}

/// Objects, and the policies that they are put to.
#[derive(Args)]
struct ObjectArgs {
    /// Policies: files or folders, - for standard input. May be given more than once
    #[arg(long, short, required = true, value_name = "POLICIES")]
    policies: Vec<PathBuf>,
    /// Objects: files or folders, - for standard input
    #[arg(required = true, value_name = "OBJECTS")]
    objects: Vec<PathBuf>,
    /// The namespace of objects that name none
    #[arg(long, short, default_value = "default", value_name = "NAME")]
    namespace: String,
}

/// Inputs as messages name them: `policies, standard input`.
fn named(inputs: &[PathBuf]) -> String {
    let name = |path: &PathBuf| {
        if is_stdin(path) { "standard input".to_owned() } else { path.display().to_string() }
    };
    inputs.iter().map(name).collect::<Vec<_>>().join(", ")
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people
    Text,
    /// For programs: one line an object
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ReportOutput {
    /// For people
    Text,
    /// For programs: one line an object
    Json,
    /// For code scanning: SARIF 2.1.0
    Sarif,
    /// For continuous integration: JUnit XML
    Junit,
}

/// Runs the program with the process's arguments.
#[must_use]
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { Ending::BadInput } else { Ending::Passed };
            error.print().ok();
            return code.into();
        }
    };
    let ending = match cli.command {
        Command::Serve(args) => serve::run(*args),
        Command::Admit(args) => admit::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Simulate(args) => simulate::run(&args),
        Command::Render(args) => render::run(&args),
        Command::Filter(args) => filter::run(&args),
        Command::Pause(args) => pause::pause(&args),
        Command::Resume(args) => pause::resume(&args),
        Command::Crds(args) => crds::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
    };
    match ending {
        Ok(ending) => ending.into(),
        // The reader went away, as in `sallyport admit … | head`: that is no failure.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("{}error:{:#} {}", paint::ERROR, paint::ERROR, visible_lines(&told(&error)));
            Ending::BadInput.into()
        }
    }
}

/// An error and its causes in one line. Many errors say their cause themselves: it is said once.
pub(crate) fn told(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |told, cause| {
        let gap = if told.is_empty() { "" } else { ": " };
        if told.ends_with(&cause) { told } else { format!("{told}{gap}{cause}") }
    })
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe)
}
