//! `sallyport explain`: which policy, and which line of it, changed, refused or left alone each field.

use std::io::Write;

use anstyle::Style;
use clap::Args;
use sallyport_admission::{Change, Finding, Mode, Source};
use serde_json::{Value, json};

use super::admit::{identity, worded};
use super::fields::{Field, Origin, fields};
use super::judge::Judged;
use super::offline::Bench;
use super::paint::{ADDED, DOUBT, ERROR, FAINT, REMOVED, SOURCE, STRONG};
use super::progress::Progress;
use super::unmatched::Unmatched;
use super::{Ending, ObjectArgs, Output};
use crate::plain::{visible, visible_json};
use crate::policies::Loaded;

#[derive(Args)]
pub(super) struct ExplainArgs {
    #[command(flatten)]
    objects: ObjectArgs,
    /// List the fields that no policy changed too, and who set them: the author or the API server's defaulting
    #[arg(long)]
    all: bool,
    /// How to print the reasons
    #[arg(long, short, value_enum, value_name = "FORMAT", default_value_t = Output::Text)]
    output: Output,
}

pub(super) fn run(args: &ExplainArgs) -> anyhow::Result<Ending> {
    let Some(bench) = Bench::read(&args.objects)? else { return Ok(Ending::BadInput) };
    let mut out = anstream::stdout().lock();
    let (mut refused, mut unmatched) = (false, Unmatched::default());
    bench.judge(Progress::new(true), |judged| {
        for one in &judged {
            refused |= !one.decision.allowed;
            unmatched.count(one);
            let reasons = Reasons::of(one, &bench.loaded, args.all);
            match args.output {
                Output::Json => writeln!(out, "{}", visible_json(&reasons.to_json().to_string()))?,
                Output::Text => reasons.show(&mut out)?,
            }
        }
        Ok(())
    })?;
    out.flush()?;
    unmatched.tell(&bench.loaded);
    Ok(if refused { Ending::Refused } else { Ending::Passed })
}

/// Who is behind what of an object.
struct Reasons<'r> {
    judged: &'r Judged<'r>,
    loaded: &'r Loaded,
    /// The fields that no policy changed.
    others: Vec<Field<'r>>,
}

impl<'r> Reasons<'r> {
    fn of(judged: &'r Judged<'r>, loaded: &'r Loaded, all: bool) -> Self {
        let changed = |field: &Field<'_>| {
            let enforced = judged.decision.changes.iter().filter(|change| change.mode == Mode::Enforce);
            enforced.into_iter().any(|change| field.is_covered_by(&change.path))
        };
        let written = judged.document.value_at(&judged.template).unwrap_or(&judged.written);
        let mut others = if all { fields(&judged.result, &judged.written, written) } else { Vec::new() };
        others.retain(|field| !changed(field));
        Self { judged, loaded, others }
    }

    /// What is found beside changes: its name for programs, its word and style for people.
    fn findings(&self) -> [(&'static str, &'static str, Style, &'r [Finding]); 4] {
        let decision = &self.judged.decision;
        [
            ("violations", "", ERROR, &decision.violations),
            ("warnings", "", DOUBT, &decision.warnings),
            ("skipped", "left alone", DOUBT, &decision.skipped),
            ("excepted", "excepted", DOUBT, &decision.excepted),
        ]
    }

    fn show(&self, out: &mut impl Write) -> anyhow::Result<()> {
        let judged = self.judged;
        let findings = self.findings();
        let silent = findings.iter().all(|(.., findings)| findings.is_empty());
        if judged.decision.changes.is_empty() && silent && self.others.is_empty() {
            writeln!(out, "{FAINT}· {} unchanged{FAINT:#}", judged.title())?;
            return Ok(());
        }
        let place = format!("{}:{}", visible(judged.document.origin.name()), judged.beginning().line);
        writeln!(out, "\n{STRONG}{}{STRONG:#}  {FAINT}{place}{FAINT:#}", judged.title())?;
        for change in &judged.decision.changes {
            self.show_change(out, change)?;
        }
        for (name, word, style, findings) in findings {
            let sign = if name == "violations" {
                "✗"
            } else if name == "warnings" {
                "!"
            } else {
                "·"
            };
            for finding in findings {
                let path = visible(subject(&finding.path));
                let (word, message) = worded(word, &finding.message);
                let colon = if word.is_empty() { "" } else { ": " };
                let message = visible(message);
                let told = match name {
                    // Nothing is told of what an exception lets in.
                    "excepted" => "",
                    "warnings" if self.is_told_of_its_pod(finding) => {
                        " (only told: controllers: Warn; its pod is refused)"
                    }
                    _ => told_only(finding.mode),
                };
                writeln!(out, "  {style}{sign} {path}{style:#} {word}{colon}{message}{told}")?;
                self.show_source(out, &finding.source)?;
            }
        }
        for field in &self.others {
            let path = field.path.to_string();
            let from = match field.origin {
                Origin::Author => {
                    format!("author {}:{}", visible(judged.document.origin.name()), judged.locate(&path).line)
                }
                Origin::Controller => "controller".to_owned(),
                Origin::Default => "default (API server)".to_owned(),
            };
            writeln!(out, "    {} = {}  {FAINT}{from}{FAINT:#}", visible(&path), brief(field.value))?;
        }
        Ok(())
    }

    /// Whether it is the policy's `controllers` that only tells: the entry itself refuses.
    fn is_told_of_its_pod(&self, warning: &Finding) -> bool {
        let policies = self.loaded.set.policies().iter();
        let rules = policies.flat_map(|policy| policy.entries().skip(policy.mutations()));
        let mut own = rules.filter(|(source, _)| **source == warning.source);
        warning.mode == Mode::Warn && own.any(|(_, mode)| mode == Mode::Enforce)
    }

    fn show_change(&self, out: &mut impl Write, change: &Change) -> anyhow::Result<()> {
        let (sign, style) = match (&change.before, &change.after) {
            (None, _) => ("+", ADDED),
            (Some(_), None) => ("-", REMOVED),
            (Some(_), Some(_)) => ("~", DOUBT),
        };
        let before = change.before.as_ref().map(|b| format!("{} → ", brief(b))).unwrap_or_default();
        let after = change.after.as_ref().map_or_else(|| "removed".to_owned(), brief);
        let mode = told_only(change.mode);
        writeln!(out, "  {style}{sign} {}{style:#} = {before}{after}{mode}", visible(&change.path))?;
        self.show_source(out, &change.source)
    }

    fn show_source(&self, out: &mut impl Write, source: &Source) -> anyhow::Result<()> {
        let place = self.loaded.place_of(source).unwrap_or_default();
        let (source, place) = (source.to_string(), visible(&place));
        writeln!(out, "      {SOURCE}{}{SOURCE:#} {FAINT}{place}{FAINT:#}", visible(&source))?;
        Ok(())
    }

    /// The line of the object, for programs.
    fn to_json(&self) -> Value {
        let judged = self.judged;
        let at = |object: &mut Value, source: &Source| {
            let place = self.loaded.locate(source);
            object["file"] = json!(place.as_ref().map(|(document, _)| document.origin.name()));
            object["line"] = json!(place.as_ref().map(|(_, at)| at.line));
        };
        let changes = judged.decision.changes.iter().map(|change| {
            let Change { source, mode, path, before, after } = change;
            let mut line = json!({
                "policy": source.policy, "entry": source.entry, "mode": mode, "path": path,
                "before": before, "after": after,
            });
            at(&mut line, source);
            line
        });
        let mut object = json!({
            "object": identity(judged),
            "file": judged.document.origin.name(),
            "line": judged.beginning().line,
            "allowed": judged.decision.allowed,
            "changes": changes.collect::<Vec<_>>(),
        });
        for (name, _, _, findings) in self.findings() {
            let lines = findings.iter().map(|finding| {
                let mut line = json!(finding);
                line["mode"] = json!(finding.mode);
                at(&mut line, &finding.source);
                line
            });
            object[name] = lines.collect();
        }
        let others = self.others.iter().map(|field| {
            let path = field.path.to_string();
            let line = (field.origin == Origin::Author).then(|| judged.locate(&path).line);
            let from = match field.origin {
                Origin::Author => "author",
                Origin::Controller => "controller",
                Origin::Default => "default",
            };
            json!({"path": path, "value": field.value, "from": from, "line": line})
        });
        object["unchanged"] = others.collect();
        object
    }
}

fn told_only(mode: Mode) -> &'static str {
    match mode {
        Mode::Enforce => "",
        Mode::Warn => " (only told: mode Warn)",
        Mode::Audit => " (only recorded: mode Audit)",
    }
}

/// What a finding is about: a field, or the object as a whole.
fn subject(path: &str) -> &str {
    if path.is_empty() { "the object" } else { path }
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
