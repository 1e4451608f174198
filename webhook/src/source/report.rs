//! Findings shown: to people with the line of the file, to programs as JSON.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use anstream::stream::RawStream;
use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, SourceCode, ThemeCharacters, ThemeStyles};
use sallyport_policy::{Diagnostic, FieldPath, Severity};
use serde_json::{Value, json};

use super::document::Document;
use super::error::ReadError;
use super::excerpt::Excerpt;
use super::text::{Location, SourceText};
use crate::plain::visible;

/// The longest help that stands beside the line rather than below it, in characters.
const LABEL: usize = 60;
/// What stands before a line of a file: its number, and a frame.
const MARGIN: usize = 12;
/// The most characters of a file's line that are shown, and the fewest.
const WIDTH: usize = 100;
const NARROW: usize = 30;

/// A finding, the file that it is about, and the place in it.
#[derive(Clone, Debug)]
pub struct Located {
    /// The finding.
    pub diagnostic: Diagnostic,
    file: String,
    place: Option<(Arc<SourceText>, Location)>,
}

impl Located {
    /// A finding at a place in a file.
    #[must_use]
    pub fn new(diagnostic: Diagnostic, origin: &Arc<SourceText>, location: Location) -> Self {
        Self { diagnostic, file: origin.name().to_owned(), place: Some((Arc::clone(origin), location)) }
    }

    /// An error about files and folders as a whole.
    #[must_use]
    pub fn of_inputs(inputs: &[PathBuf], message: &str) -> Self {
        let names: Vec<String> = inputs.iter().map(|input| input.display().to_string()).collect();
        let diagnostic = Diagnostic::error(FieldPath::root(), message);
        Self { diagnostic, file: names.join(", "), place: None }
    }

    /// The file, as the user wrote it.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The place in the file; `None` when the file as a whole could not be read.
    #[must_use]
    pub fn location(&self) -> Option<&Location> {
        self.place.as_ref().map(|(_, location)| location)
    }

    /// For programs: `{file, line, column, path, severity, message, help}`. What is not known is null; `path` is empty
    /// for an object as a whole.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let at = self.location();
        json!({
            "file": self.file,
            "line": at.map(|at| at.line),
            "column": at.map(|at| at.column),
            "path": self.diagnostic.path.to_string(),
            "severity": severity(self.diagnostic.severity),
            "message": self.diagnostic.message,
            "help": self.diagnostic.help,
        })
    }
}

impl From<&ReadError> for Located {
    fn from(error: &ReadError) -> Self {
        let diagnostic = Diagnostic {
            severity: error.severity,
            path: FieldPath::root(),
            message: error.reason.to_string(),
            help: error.reason.help(),
        };
        Self { diagnostic, file: error.name.clone(), place: error.place.clone() }
    }
}

impl fmt::Display for Located {
    /// In one line: `policies/mita.yaml:14:9: spec.mutate[hardened]: unknown field x`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", Place(self), visible(&self.diagnostic.to_string()))
    }
}

/// `file:line:column`.
struct Place<'a>(&'a Located);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&visible(&self.0.file))?;
        self.0.location().map_or(Ok(()), |at| write!(f, ":{}:{}", at.line, at.column))
    }
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

/// Whether to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// With the terminal's own colours.
    On,
    /// Plain text.
    Off,
}

impl Colour {
    /// Colour for a terminal that can show it, as `NO_COLOR`, `CLICOLOR` and `CLICOLOR_FORCE` have it
    /// (<https://no-color.org>, <https://bixense.com/clicolors>).
    #[must_use]
    pub fn for_stream(stream: &impl RawStream) -> Self {
        if AutoStream::choice(stream) == ColorChoice::Never { Self::Off } else { Self::On }
    }
}

/// How many findings there were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Findings for which something is refused.
    pub errors: usize,
    /// Findings that people should merely know.
    pub warnings: usize,
    /// The files that they are about.
    pub files: BTreeSet<String>,
}

impl Tally {
    /// Counts a finding.
    pub fn count(&mut self, located: &Located) {
        match located.diagnostic.severity {
            Severity::Error => self.errors += 1,
            Severity::Warning => self.warnings += 1,
        }
        if !self.files.contains(&located.file) {
            self.files.insert(located.file.clone());
        }
    }
}

impl fmt::Display for Tally {
    /// `2 errors, 1 warning in 1 file`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counted =
            |count: usize, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
        let files = counted(self.files.len(), "file");
        match (self.errors, self.warnings) {
            (0, 0) => f.write_str("no errors"),
            (errors, 0) => write!(f, "{} in {files}", counted(errors, "error")),
            (0, warnings) => write!(f, "{} in {files}", counted(warnings, "warning")),
            (errors, warnings) => {
                write!(f, "{}, {} in {files}", counted(errors, "error"), counted(warnings, "warning"))
            }
        }
    }
}

/// Writes findings with the lines that they are about.
///
/// The first line of each holds file, line, column and field, so that editors and grep find it. Between two stands an
/// empty line.
#[derive(Debug)]
pub struct Reporter<W> {
    out: W,
    colour: Colour,
    /// The most characters of a line that fit, where that is known.
    width: Option<usize>,
    tally: Tally,
}

impl<W: Write> Reporter<W> {
    /// Writes to `out`.
    pub fn new(out: W, colour: Colour) -> Self {
        Self { out, colour, width: None, tally: Tally::default() }
    }

    /// Cuts the files' lines so that they fit into as many columns; `None` where that is not known.
    #[must_use]
    pub fn within(mut self, columns: Option<usize>) -> Self {
        self.width = columns.map(|columns| columns.saturating_sub(MARGIN).clamp(NARROW, WIDTH));
        self
    }

    /// Writes a finding about a document.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn diagnostic(&mut self, diagnostic: &Diagnostic, document: &Document) -> io::Result<()> {
        self.located(&document.place(diagnostic.clone()))
    }

    /// Writes what could not be read.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn read_error(&mut self, error: &ReadError) -> io::Result<()> {
        self.located(&error.into())
    }

    /// Writes a finding with its place.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn located(&mut self, located: &Located) -> io::Result<()> {
        if self.tally != Tally::default() {
            writeln!(self.out)?;
        }
        self.tally.count(located);
        let Diagnostic { severity: level, path, message, help } = &located.diagnostic;
        let strong = self.style(Style::new().bold());
        let accent = self.style(colour_of(*level).on_default().bold());
        write!(self.out, "{accent}{}:{accent:#} ", severity(*level))?;
        write!(self.out, "{strong}{}{strong:#}", Place(located))?;
        if path.is_root() {
            writeln!(self.out)?;
        } else {
            writeln!(self.out, " {}", visible(&path.to_string()))?;
        }
        for line in message.lines() {
            writeln!(self.out, "   {}", visible(line))?;
        }
        let width = self.width.unwrap_or(WIDTH);
        let excerpt = located.place.as_ref().map(|(origin, at)| Excerpt::new(origin, at, width));
        let room = match (self.width, &excerpt) {
            (Some(width), Some(excerpt)) => excerpt.room_beside(width).min(LABEL),
            _ => LABEL,
        };
        let beside = help.as_deref().filter(|help| help.chars().count() <= room && !help.contains('\n'));
        let shown = match excerpt {
            Some(excerpt) => {
                let snippet = Snippet { excerpt, label: beside.map(visible) };
                write!(self.out, "{}", snippet.draw(*level, self.colour))?;
                true
            }
            None => false,
        };
        if let Some(help) = help.as_deref().filter(|_| !shown || beside.is_none()) {
            let advice = self.style(AnsiColor::Cyan.on_default());
            let mut lines = help.lines();
            writeln!(self.out, "   {advice}help:{advice:#} {}", visible(lines.next().unwrap_or_default()))?;
            for line in lines {
                writeln!(self.out, "         {}", visible(line))?;
            }
        }
        Ok(())
    }

    /// Writes the closing line, such as `2 errors, 1 warning in 1 file`, if there was anything to count.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn finish(mut self) -> io::Result<Tally> {
        if self.tally != Tally::default() {
            let strong = self.style(Style::new().bold());
            writeln!(self.out, "\n{strong}{}{strong:#}", self.tally)?;
        }
        self.out.flush()?;
        Ok(self.tally)
    }

    /// What was counted so far.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    fn style(&self, style: Style) -> Style {
        match self.colour {
            Colour::On => style,
            Colour::Off => Style::new(),
        }
    }
}

fn colour_of(severity: Severity) -> AnsiColor {
    match severity {
        Severity::Error => AnsiColor::Red,
        Severity::Warning => AnsiColor::Yellow,
    }
}

/// A line with a mark below it.
#[derive(Debug)]
struct Snippet<'a> {
    excerpt: Excerpt,
    label: Option<Cow<'a, str>>,
}

impl Snippet<'_> {
    /// The lines of miette's picture without its frame: one line of a file needs none.
    fn draw(&self, level: Severity, colour: Colour) -> String {
        let mut styles = match colour {
            Colour::On => ThemeStyles::ansi(),
            Colour::Off => ThemeStyles::none(),
        };
        styles.highlights = vec![match level {
            Severity::Error => styles.error,
            Severity::Warning => styles.warning,
        }];
        let characters = ThemeCharacters { vbar_break: '│', ..ThemeCharacters::unicode() };
        let theme = GraphicalTheme { characters, styles };
        let handler = GraphicalReportHandler::new_themed(theme).with_wrap_lines(false).with_links(false);
        let mut drawn = String::new();
        if handler.render_report(&mut drawn, self).is_err() {
            return String::new();
        }
        let lines: Vec<&str> = drawn.lines().skip_while(|line| !line.contains('╭')).skip(1).collect();
        let picture = lines.split_last().map(|(_, picture)| picture).unwrap_or_default();
        picture.iter().map(|line| format!("   {}\n", line.trim_end())).collect()
    }
}

impl fmt::Display for Snippet<'_> {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

impl std::error::Error for Snippet<'_> {}

impl miette::Diagnostic for Snippet<'_> {
    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.excerpt)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let mark = &self.excerpt.mark;
        let label = LabeledSpan::new(self.label.as_deref().map(str::to_owned), mark.start, mark.len());
        Some(Box::new(std::iter::once(label)))
    }
}
