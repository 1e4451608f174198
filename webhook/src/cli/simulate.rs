//! `sallyport simulate`: what would become of objects if all policies were enforced.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use sallyport_admission::{Decision, Mode, Source};
use serde_json::{Value, json};

use super::judge::Judged;
use super::offline::Bench;
use super::output::junit::Junit;
use super::output::sarif::Sarif;
use super::paint::{ADDED, DOUBT, ERROR, FAINT, SOURCE, STRONG};
use super::progress::Progress;
use super::told::{Told, Weight, is_changed, is_refused, told};
use super::unmatched::Unmatched;
use super::{Ending, ObjectArgs, ReportOutput};
use crate::plain::{visible, visible_json};

/// The offenders that are named before `--details` is asked for.
const TOP: usize = 5;

#[derive(Args)]
pub(super) struct SimulateArgs {
    /// Policies: files or folders, - for standard input; the cluster's own, where its objects are asked for. May be given
    /// more than once
    #[arg(long, short, required_unless_present_any = ["cluster", "kubeconfig"], value_name = "POLICIES")]
    policies: Vec<PathBuf>,
    /// Objects: files or folders, - for standard input
    #[arg(required_unless_present_any = ["cluster", "kubeconfig"], conflicts_with_all = ["cluster", "kubeconfig"], value_name = "OBJECTS")]
    objects: Vec<PathBuf>,
    /// The namespace of objects that name none
    #[arg(long, short, default_value = "default", value_name = "NAME")]
    namespace: String,
    /// The objects of the cluster that kubectl reaches, of which nothing is changed
    #[arg(long)]
    cluster: bool,
    /// The same, of the cluster of this kubeconfig
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Show every object, with what would be said of it
    #[arg(long)]
    details: bool,
    /// How to print what is found
    #[arg(long, short, value_enum, value_name = "FORMAT", default_value_t = ReportOutput::Text)]
    output: ReportOutput,
}

impl SimulateArgs {
    fn files(&self) -> ObjectArgs {
        ObjectArgs {
            policies: self.policies.clone(),
            objects: self.objects.clone(),
            namespace: self.namespace.clone(),
        }
    }
}

pub(super) fn run(args: &SimulateArgs) -> anyhow::Result<Ending> {
    let bench = if args.cluster || args.kubeconfig.is_some() {
        Bench::read_cluster(&args.policies, args.kubeconfig.as_deref())?
    } else {
        Bench::read(&args.files())?
    };
    let Some(mut bench) = bench else { return Ok(Ending::BadInput) };
    let mut summary = Summary::default();
    for policy in bench.loaded.set.policies() {
        for (source, mode) in policy.entries() {
            summary.entries.insert(source.clone(), Effect { mode, ..Effect::default() });
        }
    }
    let enforced = std::mem::take(&mut bench.loaded.set).all_enforced();
    bench.loaded.set = enforced.context("the policies are somebody else's too")?;
    let bench = bench;
    let (mut sarif, mut junit) = (Sarif::new(&bench.loaded), Junit::default());
    let mut unmatched = Unmatched::default();
    bench.judge(Progress::new(false), |judged| {
        judged.iter().for_each(|one| unmatched.count(one));
        summary.count(&judged);
        match args.output {
            ReportOutput::Sarif => sarif.add(&judged),
            ReportOutput::Junit => junit.add_document(&judged),
            ReportOutput::Text | ReportOutput::Json => {}
        }
        Ok(())
    })?;
    let mut out = anstream::stdout().lock();
    match args.output {
        ReportOutput::Text => summary.show(&mut out, args.details)?,
        ReportOutput::Json => summary.write_json(&mut out)?,
        ReportOutput::Sarif => sarif.write(&mut out)?,
        ReportOutput::Junit => junit.write(&mut out)?,
    }
    out.flush()?;
    unmatched.tell(&bench.loaded);
    Ok(if summary.refused > 0 { Ending::Refused } else { Ending::Passed })
}

/// What an entry would do, in objects.
#[derive(Default)]
struct Effect {
    mode: Mode,
    refused: usize,
    changed: usize,
    warned: usize,
    left_alone: usize,
    excepted: usize,
}

impl Effect {
    fn is_idle(&self) -> bool {
        self.refused + self.changed + self.warned + self.left_alone + self.excepted == 0
    }
}

/// What would become of one document.
struct Fate {
    title: String,
    place: String,
    refused: bool,
    changed: bool,
    said: Vec<Said>,
}

struct Said {
    weight: Weight,
    source: String,
    path: String,
    message: String,
    line: usize,
}

#[derive(Default)]
struct Summary {
    objects: usize,
    refused: usize,
    changed: usize,
    entries: BTreeMap<Source, Effect>,
    fates: Vec<Fate>,
}

impl Summary {
    fn count(&mut self, judged: &[Judged<'_>]) {
        let Some(one) = judged.first() else { return };
        // What an entry sets is no less set where another refuses the object.
        let (refused, changed) = (is_refused(judged), is_changed(judged));
        self.objects += 1;
        self.refused += usize::from(refused);
        self.changed += usize::from(changed);
        let told = told(judged);
        let sources = |weight: Weight| {
            told.iter().filter(move |told| told.weight == weight).map(|told| told.source).collect::<Vec<_>>()
        };
        let of = |list: fn(&Decision) -> Vec<&Source>| {
            judged.iter().flat_map(|one| list(&one.decision)).collect::<Vec<_>>()
        };
        self.once(sources(Weight::Refused), |effect| &mut effect.refused);
        self.once(sources(Weight::Warned), |effect| &mut effect.warned);
        let changes = of(|d| d.changes.iter().map(|change| &change.source).collect());
        self.once(changes, |effect| &mut effect.changed);
        self.once(of(|d| d.skipped.iter().map(|f| &f.source).collect()), |effect| &mut effect.left_alone);
        self.once(of(|d| d.excepted.iter().map(|f| &f.source).collect()), |effect| &mut effect.excepted);
        let said = |told: Told<'_>| Said {
            weight: told.weight,
            source: told.source.to_string(),
            path: told.path,
            message: told.message.to_owned(),
            line: told.location.line,
        };
        self.fates.push(Fate {
            title: one.title(),
            place: one.document.origin.name().to_owned(),
            refused,
            changed,
            said: told.into_iter().map(said).collect(),
        });
    }

    /// Counts a document once for each of these entries.
    fn once(&mut self, mut sources: Vec<&Source>, number: impl Fn(&mut Effect) -> &mut usize) {
        sources.sort_unstable();
        sources.dedup();
        for source in sources {
            *number(self.entries.entry(source.clone()).or_default()) += 1;
        }
    }

    fn show(&self, out: &mut impl Write, details: bool) -> io::Result<()> {
        let Self { objects, refused, changed, entries, fates } = self;
        let noun = if *objects == 1 { "object" } else { "objects" };
        writeln!(
            out,
            "{STRONG}With every policy enforced, of {objects} {noun}: {refused} refused, {changed} changed{STRONG:#}\n"
        )?;
        writeln!(out, "{FAINT}refused  changed   warned  entry{FAINT:#}")?;
        let (mut sorted, idle): (Vec<_>, Vec<_>) = entries.iter().partition(|(_, effect)| !effect.is_idle());
        sorted.sort_by_key(|(_, effect)| std::cmp::Reverse((effect.refused, effect.changed, effect.warned)));
        for (source, effect) in sorted {
            let style = if effect.refused > 0 { ERROR } else { FAINT };
            let [refused, changed, warned] = [effect.refused, effect.changed, effect.warned].map(number);
            let mode = match effect.mode {
                Mode::Enforce => String::new(),
                mode => format!(" {DOUBT}(mode {mode:?} today){DOUBT:#}"),
            };
            let mut notes = String::new();
            for (count, what) in [(effect.left_alone, "left alone"), (effect.excepted, "excepted")] {
                if count > 0 {
                    notes.push_str(&format!(" {FAINT}{count} {what}{FAINT:#}"));
                }
            }
            let named_so = |other: &&Source| other.policy == source.policy && other.entry == source.entry;
            let shared = entries.keys().filter(named_so).count() > 1;
            let source = if shared { source.in_full() } else { source.to_string() };
            let source = visible(&source);
            writeln!(
                out,
                "{style}{refused:>7}{style:#}  {changed:>7}  {warned:>7}  {SOURCE}{source}{SOURCE:#}{mode}{notes}"
            )?;
        }
        if !idle.is_empty() {
            let noun = if idle.len() == 1 { "entry does" } else { "entries do" };
            writeln!(out, "{FAINT}{} more {noun} nothing here{FAINT:#}", idle.len())?;
        }
        let mut offenders: Vec<&Fate> = fates.iter().filter(|fate| details || fate.refused).collect();
        if !details {
            offenders.sort_by_key(|fate| std::cmp::Reverse(fate.violations()));
        }
        let shown = if details { offenders.len() } else { TOP };
        if shown < offenders.len() {
            writeln!(
                out,
                "\n{STRONG}The first {shown} of {} that would be refused{STRONG:#} (all: --details)",
                offenders.len()
            )?;
        }
        for fate in offenders.into_iter().take(shown) {
            fate.show(out)?;
        }
        Ok(())
    }

    /// One line for each entry, then one for each document.
    fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        for (source, effect) in &self.entries {
            let Effect { mode, refused, changed, warned, left_alone, excepted } = effect;
            let line = json!({"entry": source.to_string(), "list": source.list, "mode": mode, "refused": refused, "changed": changed,
                "warned": warned, "skipped": left_alone, "excepted": excepted});
            writeln!(out, "{}", visible_json(&line.to_string()))?;
        }
        for fate in &self.fates {
            let said: Vec<Value> = fate.said.iter().map(Said::to_json).collect();
            let line = json!({"object": fate.title, "file": fate.place, "refused": fate.refused,
                "changed": fate.changed, "findings": said});
            writeln!(out, "{}", visible_json(&line.to_string()))?;
        }
        Ok(())
    }
}

/// A dot for none: a table of noughts hides its numbers.
fn number(count: usize) -> String {
    if count == 0 { "·".to_owned() } else { count.to_string() }
}

impl Fate {
    fn violations(&self) -> usize {
        self.said.iter().filter(|said| said.weight == Weight::Refused).count()
    }

    fn show(&self, out: &mut impl Write) -> io::Result<()> {
        let (mark, style) = match (self.refused, self.changed) {
            (true, _) => ("✗", ERROR),
            (false, true) => ("✓", ADDED),
            (false, false) => ("·", FAINT),
        };
        let place = visible(&self.place);
        writeln!(out, "\n{style}{mark}{style:#} {STRONG}{}{STRONG:#}  {FAINT}{place}{FAINT:#}", self.title)?;
        for said in &self.said {
            let (word, style) = match said.weight {
                Weight::Refused => ("refused", ERROR),
                Weight::Warned | Weight::Audited => ("warning", DOUBT),
            };
            let (source, message) = (visible(&said.source), visible(&said.message));
            let path = if said.path.is_empty() { String::new() } else { format!(" {}", visible(&said.path)) };
            writeln!(
                out,
                "  {place}:{} {SOURCE}{source}{SOURCE:#} {style}{word}{style:#}{path}: {message}",
                said.line
            )?;
        }
        Ok(())
    }
}

impl Said {
    fn to_json(&self) -> Value {
        let level = match self.weight {
            Weight::Refused => "error",
            Weight::Warned => "warning",
            Weight::Audited => "note",
        };
        json!({"entry": self.source, "level": level, "path": self.path, "message": self.message, "line": self.line})
    }
}
