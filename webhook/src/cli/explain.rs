//! `sallyport explain`: which policy, and which line of it, changed or left alone each field.

use std::io::Write as _;

use clap::Args;
use sallyport_admission::{Mode, Source};
use sallyport_policy::FieldPath;
use serde_json::Value;

use super::offline::Bench;
use super::paint::{ADDED, DOUBT, ERROR, FAINT, REMOVED, SOURCE, STRONG};
use super::{Ending, ObjectArgs};
use crate::plain::visible;
use crate::policies::Loaded;

#[derive(Args)]
pub(super) struct ExplainArgs {
    #[command(flatten)]
    objects: ObjectArgs,
}

pub(super) fn run(args: &ExplainArgs) -> anyhow::Result<Ending> {
    let Some(bench) = Bench::read(&args.objects)? else { return Ok(Ending::BadInput) };
    let mut out = anstream::stdout().lock();
    let mut refused = false;
    for judged in bench.judge() {
        let decision = &judged.decision;
        refused |= !decision.allowed;
        if decision.changes.is_empty() && decision.skipped.is_empty() && decision.violations.is_empty() {
            writeln!(out, "{FAINT}· {} unchanged{FAINT:#}", judged.title())?;
            continue;
        }
        let at = judged.document.locate(&FieldPath::of("kind"));
        let place = format!("{}:{}", visible(judged.document.origin.name()), at.line);
        writeln!(out, "\n{STRONG}{}{STRONG:#}  {FAINT}{place}{FAINT:#}", judged.title())?;
        for change in &decision.changes {
            let (sign, style) = match (&change.before, &change.after) {
                (None, _) => ("+", ADDED),
                (Some(_), None) => ("-", REMOVED),
                (Some(_), Some(_)) => ("~", DOUBT),
            };
            let before = change.before.as_ref().map(|b| format!("{} → ", brief(b))).unwrap_or_default();
            let after = change.after.as_ref().map_or_else(|| "removed".to_owned(), brief);
            let mode = match change.mode {
                Mode::Enforce => "",
                Mode::Warn => " (only told: mode Warn)",
                Mode::Audit => " (only recorded: mode Audit)",
            };
            writeln!(out, "  {style}{sign} {}{style:#} = {before}{after}{mode}", visible(&change.path))?;
            writeln!(
                out,
                "      {SOURCE}{}{SOURCE:#} {FAINT}{}{FAINT:#}",
                visible(&change.source.to_string()),
                line(&bench.loaded, &change.source)
            )?;
        }
        for violation in &decision.violations {
            let path = visible(subject(&violation.path));
            writeln!(out, "  {ERROR}✗ {path}{ERROR:#} {}", visible(&violation.message))?;
            let at = line(&bench.loaded, &violation.source);
            writeln!(
                out,
                "      {SOURCE}{}{SOURCE:#} {FAINT}{at}{FAINT:#}",
                visible(&violation.source.to_string())
            )?;
        }
        for skip in &decision.skipped {
            let path = visible(subject(&skip.path));
            writeln!(out, "  {DOUBT}· {path}{DOUBT:#} left alone: {}", visible(&skip.message))?;
            let at = line(&bench.loaded, &skip.source);
            writeln!(
                out,
                "      {SOURCE}{}{SOURCE:#} {FAINT}{at}{FAINT:#}",
                visible(&skip.source.to_string())
            )?;
        }
    }
    out.flush()?;
    Ok(if refused { Ending::Refused } else { Ending::Passed })
}

/// What a finding is about: a field, or the object as a whole.
fn subject(path: &str) -> &str {
    if path.is_empty() { "the object" } else { path }
}

/// `file:line` of an entry.
fn line(loaded: &Loaded, source: &Source) -> String {
    let Some(document) = loaded.documents.get(&*source.policy) else { return String::new() };
    let at = ["mutate", "validate"].into_iter().find_map(|list| {
        let has = |entry: &Value| entry.get("name").and_then(Value::as_str) == Some(&source.entry);
        let found = document.value.pointer(&format!("/spec/{list}"))?.as_array()?.iter().any(has);
        let path = FieldPath::of("spec").field(list).named(source.entry.to_string());
        found.then(|| document.locate(&path))
    });
    at.map(|at| format!("{}:{}", visible(document.origin.name()), at.line)).unwrap_or_default()
}

/// A value in one line, cut where it is long, with nothing in it that steers a terminal.
fn brief(value: &Value) -> String {
    const MOST: usize = 120;
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if text.chars().count() <= MOST {
        return visible(&text).into_owned();
    }
    let text: String = text.chars().take(MOST).chain(['…']).collect();
    visible(&text).into_owned()
}
