//! `sallyport check`: are these policies right.

use std::io::{self, Write as _};
use std::path::PathBuf;

use anyhow::ensure;
use clap::Args;

use super::exceptions_in_vain::exceptions_in_vain;
use super::{Ending, Output, named, paint, terminal};
use sallyport_policy::{API_VERSION, Severity};

use crate::gate::unix_seconds;
use crate::plain::visible_json;
use crate::policies::{Loaded, load};
use crate::source::{Located, read};

#[derive(Args)]
pub(super) struct CheckArgs {
    /// Policies: files or folders, - for standard input
    #[arg(required = true, value_name = "POLICIES")]
    policies: Vec<PathBuf>,
    /// How to print what is found
    #[arg(long, short, value_enum, value_name = "FORMAT", default_value_t = Output::Text)]
    output: Output,
}

pub(super) fn run(args: &CheckArgs) -> anyhow::Result<Ending> {
    let (documents, errors) = read(&args.policies);
    let mut loaded = load(documents, &errors);
    loaded.findings.extend(exceptions_in_vain(&loaded, unix_seconds()));
    let found = loaded.findings.len();
    match args.output {
        Output::Json => {
            let mut out = io::stdout().lock();
            for located in &loaded.findings {
                writeln!(out, "{}", visible_json(&located.to_json().to_string()))?;
            }
        }
        Output::Text => {
            let mut reporter = terminal::reporter(io::stdout());
            for located in &loaded.findings {
                reporter.located(located)?;
            }
            reporter.finish()?;
        }
    }
    if loaded.has_errors() {
        return Ok(Ending::BadInput);
    }
    expect_policies(&loaded, &args.policies)?;
    if args.output == Output::Text {
        let gap = if found == 0 { "" } else { "\n" };
        let mut out = anstream::stdout().lock();
        writeln!(out, "{gap}{}✓{:#} {}", paint::ADDED, paint::ADDED, summary(&loaded))?;
        out.flush()?;
        tell_what_is_not_in_force(loaded.not_in_force().as_deref());
    }
    Ok(Ending::Passed)
}

/// Where nothing was found to be wrong because nothing was there, that is an error: a mistyped folder in a pipeline
/// would otherwise pass for ever.
pub(super) fn expect_policies(loaded: &Loaded, inputs: &[PathBuf]) -> anyhow::Result<()> {
    ensure!(
        !loaded.set.policies().is_empty() || loaded.others() > 0,
        "no policies in {}: expected WorkloadPolicies or TrafficPolicies of {API_VERSION}",
        named(inputs)
    );
    Ok(())
}

/// What is right, each kind that is there: `1 WorkloadPolicy is right: 2 mutations, 0 validations; …`.
fn summary(loaded: &Loaded) -> String {
    let mut kinds = Vec::new();
    let policies = loaded.set.policies();
    if !policies.is_empty() {
        let mutations = count(policies.iter().map(|policy| policy.mutations()).sum(), "mutation");
        let validations = count(policies.iter().map(|policy| policy.validations()).sum(), "validation");
        kinds.push(format!("{}: {mutations}, {validations}", right(policies.len(), "WorkloadPolic")));
    }
    if !loaded.exceptions.is_empty() {
        let exceptions = loaded.exceptions.len();
        let (kind, are) =
            if exceptions == 1 { ("PolicyException", "is") } else { ("PolicyExceptions", "are") };
        kinds.push(format!("{exceptions} {kind} {are} right"));
    }
    if !loaded.traffic.is_empty() {
        let jwt = || loaded.traffic.iter().filter_map(|(_, spec)| spec.jwt.as_ref());
        let providers = count(jwt().map(|jwt| jwt.providers.len()).sum(), "provider");
        let rules = count(jwt().map(|jwt| jwt.rules.len()).sum(), "rule");
        let limits = count(loaded.traffic.iter().map(|(_, spec)| spec.rate_limits.len()).sum(), "limit");
        kinds
            .push(format!("{}: {providers}, {rules}, {limits}", right(loaded.traffic.len(), "TrafficPolic")));
    }
    kinds.join("; ")
}

fn count(number: usize, one: &str) -> String {
    format!("{number} {one}{}", if number == 1 { "" } else { "s" })
}

/// Of a kind whose name ends in `-y`.
fn right(number: usize, stem: &str) -> String {
    if number == 1 { format!("1 {stem}y is right") } else { format!("{number} {stem}ies are right") }
}

/// Tells what is wrong or doubtful with policies, on standard error; whether something is wrong.
pub(super) fn tell(loaded: &Loaded, warnings_too: bool) -> io::Result<bool> {
    let told = loaded
        .findings
        .iter()
        .filter(|located| warnings_too || located.diagnostic.severity == Severity::Error);
    tell_findings(told, None)?;
    Ok(loaded.has_errors())
}

/// Tells of findings, and of what is checked and not in force.
pub(super) fn tell_findings<'f>(
    findings: impl IntoIterator<Item = &'f Located>,
    not_in_force: Option<&str>,
) -> io::Result<()> {
    let mut reporter = terminal::reporter(io::stderr());
    for located in findings {
        reporter.located(located)?;
    }
    reporter.finish()?;
    tell_what_is_not_in_force(not_in_force);
    Ok(())
}

fn tell_what_is_not_in_force(text: Option<&str>) {
    if let Some(text) = text {
        anstream::eprintln!("{}!{:#} {text}", paint::DOUBT, paint::DOUBT);
    }
}
