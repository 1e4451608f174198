//! `sallyport admit`: objects in, verdicts and mutated objects out.

use std::io::{self, Write};

use clap::Args;
use sallyport_admission::{Decision, Finding, Mode};
use serde_json::{Value, json};
use similar::{ChangeTag, TextDiff};

use super::crds::yaml;
use super::offline::{Bench, Judged};
use super::paint::{ADDED, DOUBT, ERROR, FAINT, REMOVED, SOURCE, STRONG};
use super::{Ending, ObjectArgs, Output};
use crate::plain::{visible, visible_json, visible_lines};

#[derive(Args)]
pub(super) struct AdmitArgs {
    #[command(flatten)]
    objects: ObjectArgs,
    /// How to print the verdicts
    #[arg(long, short, value_enum, value_name = "FORMAT", default_value_t = Output::Text)]
    output: Output,
}

pub(super) fn run(args: &AdmitArgs) -> anyhow::Result<Ending> {
    let Some(bench) = Bench::read(&args.objects)? else { return Ok(Ending::BadInput) };
    let mut out = anstream::stdout().lock();
    let mut tally = Tally::default();
    for judged in bench.judge() {
        tally.count(&judged);
        match args.output {
            Output::Json => writeln!(out, "{}", visible_json(&line(&judged).to_string()))?,
            Output::Text => show(&mut out, &judged)?,
        }
    }
    if args.output == Output::Text {
        tally.show(&mut out)?;
    }
    out.flush()?;
    Ok(if tally.refused > 0 { Ending::Refused } else { Ending::Passed })
}

/// The line of one object, for programs.
fn line(judged: &Judged<'_>) -> Value {
    let Decision { allowed, violations, warnings, skipped, patch, mutated, .. } = &judged.decision;
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
    let changes: Vec<Value> = judged
        .decision
        .changes
        .iter()
        .map(|c| json!({"policy": c.source.policy, "entry": c.source.entry, "mode": c.mode, "path": c.path}))
        .collect();
    json!({
        "object": object,
        "allowed": allowed,
        "violations": violations,
        "warnings": warnings,
        "skipped": skipped,
        "changes": changes,
        "patch": patch,
        "mutated": mutated.as_ref().unwrap_or(&judged.written),
    })
}

/// Shows one object: what becomes of it as a diff, then who did it.
fn show(out: &mut impl Write, judged: &Judged<'_>) -> anyhow::Result<()> {
    let Decision { allowed, violations, warnings, skipped, changes, mutated, .. } = &judged.decision;
    let quiet = *allowed && changes.is_empty() && warnings.is_empty() && skipped.is_empty();
    if quiet {
        writeln!(out, "{FAINT}· {} unchanged{FAINT:#}", judged.title())?;
        return Ok(());
    }
    let mark = if *allowed { ("✓", ADDED) } else { ("✗", ERROR) };
    writeln!(out, "\n{}{}{:#} {STRONG}{}{STRONG:#}", mark.1, mark.0, mark.1, judged.title())?;
    for violation in violations {
        finding(out, "refused", ERROR, violation)?;
    }
    if let Some(mutated) = mutated {
        diff(out, &yaml(&judged.written)?, &yaml(mutated)?)?;
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
        finding(out, "warning", DOUBT, warning)?;
    }
    for skip in skipped {
        finding(out, "left alone", DOUBT, skip)?;
    }
    Ok(())
}

pub(super) fn finding(
    out: &mut impl Write,
    word: &str,
    style: anstyle::Style,
    finding: &Finding,
) -> io::Result<()> {
    let colon = if finding.path.is_empty() { "" } else { ": " };
    writeln!(
        out,
        "  {SOURCE}{}{SOURCE:#} {style}{word}{style:#} {STRONG}{}{STRONG:#}{colon}{}",
        visible(&finding.source.to_string()),
        visible(&finding.path),
        visible(&finding.message),
    )
}

/// The lines that differ, with two lines around them and their numbers left out: the object is not the file.
fn diff(out: &mut impl Write, before: &str, after: &str) -> io::Result<()> {
    let diff = TextDiff::from_lines(before, after);
    for (i, group) in diff.grouped_ops(2).iter().enumerate() {
        if i > 0 {
            writeln!(out, "    {FAINT}⋮{FAINT:#}")?;
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let text = visible_lines(change.value().trim_end_matches('\n'));
            match change.tag() {
                ChangeTag::Equal => writeln!(out, "    {FAINT}  {text}{FAINT:#}")?,
                ChangeTag::Insert => writeln!(out, "    {ADDED}+ {text}{ADDED:#}")?,
                ChangeTag::Delete => writeln!(out, "    {REMOVED}- {text}{REMOVED:#}")?,
            }
        }
    }
    Ok(())
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
