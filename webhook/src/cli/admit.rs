//! `sallyport admit`: objects in, verdicts and mutated objects out.

use std::io::{self, Write};

use clap::Args;
use sallyport_admission::{Decision, Finding, Mode};
use serde_json::{Value, json};

use super::judge::Judged;
use super::offline::Bench;
use super::output::diff::diff;
use super::output::junit::Junit;
use super::output::sarif::Sarif;
use super::paint::{ADDED, DOUBT, ERROR, FAINT, SOURCE, STRONG};
use super::progress::Progress;
use super::told::{OfOne, is_refused};
use super::unmatched::{Unmatched, is_pod};
use super::{Ending, ObjectArgs, ReportOutput};
use crate::plain::{visible, visible_json};

#[derive(Args)]
pub(super) struct AdmitArgs {
    #[command(flatten)]
    objects: ObjectArgs,
    /// How to print the verdicts
    #[arg(long, short, value_enum, value_name = "FORMAT", default_value_t = ReportOutput::Text)]
    output: ReportOutput,
}

pub(super) fn run(args: &AdmitArgs) -> anyhow::Result<Ending> {
    let Some(bench) = Bench::read(&args.objects)? else { return Ok(Ending::BadInput) };
    let mut out = anstream::stdout().lock();
    let (mut tally, mut unmatched) = (Tally::default(), Unmatched::default());
    let (mut sarif, mut junit) = (Sarif::new(&bench.loaded), Junit::default());
    let mut refused = false;
    let streams = matches!(args.output, ReportOutput::Text | ReportOutput::Json);
    bench.judge(Progress::new(streams), |judged| {
        refused |= is_refused(&judged);
        for one in &judged {
            tally.count(one);
            unmatched.count(one);
        }
        match args.output {
            ReportOutput::Text => judged.iter().try_for_each(|one| show(&mut out, one, &judged))?,
            ReportOutput::Json => {
                for one in &judged {
                    writeln!(out, "{}", visible_json(&line(one).to_string()))?;
                }
            }
            ReportOutput::Sarif => sarif.add(&judged),
            ReportOutput::Junit => junit.add_document(&judged),
        }
        Ok(())
    })?;
    match args.output {
        ReportOutput::Text => tally.show(&mut out)?,
        ReportOutput::Json => {}
        ReportOutput::Sarif => sarif.write(&mut out)?,
        ReportOutput::Junit => junit.write(&mut out)?,
    }
    out.flush()?;
    unmatched.tell(&bench.loaded);
    Ok(if refused { Ending::Refused } else { Ending::Passed })
}

/// What programs know an object by.
pub(super) fn identity(judged: &Judged<'_>) -> Value {
    let text = |pointer: &str| judged.written.pointer(pointer).cloned().unwrap_or_else(|| json!(""));
    let mut object = json!({
        "kind": text("/kind"),
        "namespace": judged.document.namespace(),
        "name": text("/metadata/name"),
    });
    if let (true, Some(object)) = (judged.is_made, object.as_object_mut()) {
        object.insert("generateName".to_owned(), text("/metadata/generateName"));
        let owner = json!({"kind": judged.document.kind(), "name": judged.document.name()});
        object.insert("owner".to_owned(), owner);
    }
    object
}

/// The line of one object, for programs.
fn line(judged: &Judged<'_>) -> Value {
    let Decision { allowed, violations, warnings, skipped, excepted, patch, mutated, .. } = &judged.decision;
    let changes: Vec<Value> = judged
        .decision
        .changes
        .iter()
        .map(|c| json!({"policy": c.source.policy, "entry": c.source.entry, "mode": c.mode, "path": c.path}))
        .collect();
    json!({
        "object": identity(judged),
        "allowed": allowed,
        "violations": violations,
        "warnings": warnings,
        "skipped": skipped,
        "excepted": excepted,
        "changes": changes,
        "patch": patch,
        "mutated": mutated.as_ref().unwrap_or(&judged.written),
    })
}

/// Shows one object: what becomes of it as a diff, then who did it.
fn show(out: &mut impl Write, judged: &Judged<'_>, all: &[Judged<'_>]) -> anyhow::Result<()> {
    let Decision { allowed, changes, mutated, .. } = &judged.decision;
    let OfOne { violations, warnings, skipped, excepted, refused_with_controller } = OfOne::of(judged, all);
    let told = [&violations, &warnings, &skipped, &excepted];
    if *allowed && changes.is_empty() && told.iter().all(|findings| findings.is_empty()) {
        let why = if is_pod(judged) && !judged.decision.matched { ": no policy is about it" } else { "" };
        writeln!(out, "{FAINT}· {} unchanged{why}{FAINT:#}", judged.title())?;
        return Ok(());
    }
    let mark = if *allowed { ("✓", ADDED) } else { ("✗", ERROR) };
    writeln!(out, "\n{}{}{:#} {STRONG}{}{STRONG:#}", mark.1, mark.0, mark.1, judged.title())?;
    if refused_with_controller {
        writeln!(out, "  {ERROR}refused{ERROR:#} for what its controller is refused for")?;
    }
    for violation in violations {
        finding(out, "refused", ERROR, violation)?;
    }
    if mutated.is_some() {
        let (before, after) = judged.before_and_after()?;
        diff(out, &before, &after)?;
    }
    let mut by_entry: Vec<(String, Mode, usize)> = Vec::new();
    for change in changes {
        let source = visible(&change.source.to_string()).into_owned();
        match by_entry.iter_mut().find(|(name, mode, _)| *name == source && *mode == change.mode) {
            Some((_, _, count)) => *count += 1,
            None => by_entry.push((source, change.mode, 1)),
        }
    }
    for (source, mode, count) in by_entry {
        let fields = if count == 1 { "field" } else { "fields" };
        let did = match mode {
            Mode::Enforce => "set",
            Mode::Warn => "would set (mode Warn)",
            Mode::Audit => "would set (mode Audit)",
        };
        writeln!(out, "  {SOURCE}{source}{SOURCE:#} {did} {count} {fields}")?;
    }
    for warning in warnings {
        let word = if warning.mode == Mode::Audit { "to be recorded" } else { "warning" };
        finding(out, word, DOUBT, warning)?;
    }
    for skip in skipped {
        finding(out, "left alone", DOUBT, skip)?;
    }
    for exception in excepted {
        finding(out, "excepted", DOUBT, exception)?;
    }
    Ok(())
}

/// Where a message begins so, it says itself what was done.
const LEFT_OUT: &str = "left out: ";

/// What was done, and the rest of a message that may say it itself.
pub(super) fn worded<'m>(word: &'m str, message: &'m str) -> (&'m str, &'m str) {
    message.strip_prefix(LEFT_OUT).map_or((word, message), |rest| ("left out", rest))
}

fn finding(out: &mut impl Write, word: &str, style: anstyle::Style, finding: &Finding) -> io::Result<()> {
    let (word, message) = worded(word, &finding.message);
    let path = if finding.path.is_empty() {
        ":".to_owned()
    } else {
        format!(" {STRONG}{}{STRONG:#}:", visible(&finding.path))
    };
    writeln!(
        out,
        "  {SOURCE}{}{SOURCE:#} {style}{word}{style:#}{path} {}",
        visible(&finding.source.to_string()),
        visible(message),
    )
}

/// How many objects passed, were changed and were refused.
#[derive(Default)]
struct Tally {
    objects: usize,
    changed: usize,
    refused: usize,
}

impl Tally {
    fn count(&mut self, judged: &Judged<'_>) {
        self.objects += 1;
        self.changed += usize::from(judged.decision.mutated.is_some());
        self.refused += usize::from(!judged.decision.allowed);
    }

    fn show(&self, out: &mut impl Write) -> io::Result<()> {
        let Self { objects, changed, refused } = self;
        let noun = if *objects == 1 { "object" } else { "objects" };
        writeln!(out, "\n{STRONG}{objects} {noun}: {changed} changed, {refused} refused{STRONG:#}")
    }
}
