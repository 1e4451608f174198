//! `sallyport test`: cases declared beside policies.

mod case;
mod outcome;
mod overlay;
mod suite;
mod watch;

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::bail;
use clap::{Args, ValueEnum};
use serde_json::json;

use super::judge::judge;
use super::output::diff::diff;
use super::output::junit::{self, Junit};
use super::paint::{ADDED, DOUBT, ERROR, FAINT, REMOVED, STRONG};
use super::{Ending, named, terminal};
use crate::plain::{visible, visible_json};
use outcome::{Mismatch, compare};
use suite::{Suites, Trial};
use watch::Watch;

#[derive(Args)]
pub(super) struct TestArgs {
    /// Files of cases, or folders with *.test.yaml in them
    #[arg(required = true, value_name = "CASES")]
    cases: Vec<PathBuf>,
    /// Run the cases again whenever a file of theirs changes, until interrupted
    #[arg(long)]
    watch: bool,
    /// How to print the results
    #[arg(long, short, value_enum, value_name = "FORMAT", default_value_t = TestOutput::Text)]
    output: TestOutput,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum TestOutput {
    /// For people
    Text,
    /// For programs: one line a case
    Json,
    /// For continuous integration: JUnit XML
    Junit,
}

pub(super) fn run(args: &TestArgs) -> anyhow::Result<Ending> {
    if !args.watch {
        return run_once(args, &mut Vec::new());
    }
    let mut watch = Watch::new()?;
    watch.add(&args.cases);
    loop {
        let mut read = Vec::new();
        // Input that is bad now may be right the next time.
        if let Err(error) = run_once(args, &mut read) {
            anstream::eprintln!("{ERROR}error:{ERROR:#} {}", visible(&error.to_string()));
        }
        watch.add(&read);
        anstream::eprintln!("{FAINT}waiting for changes{FAINT:#}");
        if !watch.wait() {
            return Ok(Ending::Passed);
        }
    }
}

fn run_once(args: &TestArgs, read: &mut Vec<PathBuf>) -> anyhow::Result<Ending> {
    let suites = Suites::read(&args.cases);
    read.clone_from(&suites.read);
    if !suites.findings.is_empty() {
        let mut reporter = terminal::reporter(io::stderr());
        for located in &suites.findings {
            reporter.located(located)?;
        }
        let tally = reporter.finish()?;
        if tally.errors > 0 {
            return Ok(Ending::BadInput);
        }
    }
    if suites.trials.is_empty() {
        bail!("no cases in {}", named(&args.cases));
    }
    let mut results = Vec::with_capacity(suites.trials.len());
    for trial in &suites.trials {
        results.push(if trial.case.skip.is_some() { Vec::new() } else { try_out(trial)? });
    }
    let results = Results { trials: &suites.trials, mismatches: results };
    let mut out = anstream::stdout().lock();
    match args.output {
        TestOutput::Text => results.show(&mut out)?,
        TestOutput::Json => results.write_json(&mut out)?,
        TestOutput::Junit => results.write_junit(&mut out)?,
    }
    out.flush()?;
    Ok(if results.failed() > 0 { Ending::Refused } else { Ending::Passed })
}

fn try_out(trial: &Trial) -> anyhow::Result<Vec<Mismatch>> {
    compare(&trial.case.expect, &judge(&trial.loaded, &trial.object, &trial.terms))
}

/// The cases with what is wrong about each.
struct Results<'t> {
    trials: &'t [Trial],
    mismatches: Vec<Vec<Mismatch>>,
}

impl Results<'_> {
    fn failed(&self) -> usize {
        self.mismatches.iter().filter(|mismatches| !mismatches.is_empty()).count()
    }

    fn each(&self) -> impl Iterator<Item = (&Trial, &[Mismatch])> {
        self.trials.iter().zip(self.mismatches.iter().map(Vec::as_slice))
    }

    fn show(&self, out: &mut impl Write) -> io::Result<()> {
        let mut file = "";
        for (trial, mismatches) in self.each() {
            if trial.file != file {
                file = &trial.file;
                writeln!(out, "{STRONG}{}{STRONG:#}", visible(file))?;
            }
            let name = visible(&trial.case.name);
            if let Some(reason) = &trial.case.skip {
                writeln!(out, "  {DOUBT}-{DOUBT:#} {name} {FAINT}skipped: {}{FAINT:#}", visible(reason))?;
            } else if mismatches.is_empty() {
                writeln!(out, "  {ADDED}✓{ADDED:#} {name}")?;
            } else {
                let place = format!("{}:{}", visible(file), trial.line);
                writeln!(out, "  {ERROR}✗{ERROR:#} {STRONG}{name}{STRONG:#}  {FAINT}{place}{FAINT:#}")?;
                mismatches.iter().try_for_each(|mismatch| show_mismatch(out, mismatch))?;
            }
        }
        let (all, failed) = (self.trials.len(), self.failed());
        let skipped = self.trials.iter().filter(|trial| trial.case.skip.is_some()).count();
        let noun = if all == 1 { "case" } else { "cases" };
        write!(out, "\n{STRONG}{all} {noun}: {} passed, {failed} failed", all - failed - skipped)?;
        if skipped > 0 {
            write!(out, ", {skipped} skipped")?;
        }
        writeln!(out, "{STRONG:#}")
    }

    fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        for (trial, mismatches) in self.each() {
            let mismatches: Vec<_> = mismatches
                .iter()
                .map(|m| json!({"field": m.field, "expected": m.expected, "got": m.got}))
                .collect();
            let line = json!({
                "file": trial.file, "line": trial.line, "name": trial.case.name,
                "passed": mismatches.is_empty() && trial.case.skip.is_none(),
                "skipped": trial.case.skip, "mismatches": mismatches,
            });
            writeln!(out, "{}", visible_json(&line.to_string()))?;
        }
        Ok(())
    }

    fn write_junit(&self, out: &mut impl Write) -> io::Result<()> {
        let mut junit = Junit::default();
        for (trial, mismatches) in self.each() {
            let failure = mismatches.first().map(|first| {
                let text = mismatches
                    .iter()
                    .map(|m| format!("{}\nexpected:\n{}got:\n{}", m.field, m.expected, m.got));
                let text = text.collect::<Vec<_>>().join("\n");
                (format!("{}:{}: {} is not as expected", trial.file, trial.line, first.field), text)
            });
            let (name, skipped) = (trial.case.name.clone(), trial.case.skip.clone());
            junit.add(&trial.file, junit::Case { name, failure, skipped, ..junit::Case::default() });
        }
        junit.write(out)
    }
}

fn show_mismatch(out: &mut impl Write, mismatch: &Mismatch) -> io::Result<()> {
    let Mismatch { field, expected, got } = mismatch;
    let field = visible(field);
    if expected.lines().count() == 1 && got.lines().count() == 1 {
        let (expected, got) = (visible(expected.trim_end()), visible(got.trim_end()));
        return writeln!(
            out,
            "    {field}: expected {ADDED}{expected}{ADDED:#}, got {REMOVED}{got}{REMOVED:#}"
        );
    }
    writeln!(out, "    {field}: {REMOVED}- expected{REMOVED:#}, {ADDED}+ got{ADDED:#}")?;
    diff(out, expected, got)
}
