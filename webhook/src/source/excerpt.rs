//! One line of a file, prepared to be shown.

use std::ops::Range;

use miette::{MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};

use super::text::{Location, SourceText};
use crate::plain::steers;

/// Columns between a mark and its label: `╰── `.
const ARM: usize = 4;
/// Columns of a tab.
const TAB: usize = 4;

/// A line of a file, cut around the marked characters when it is long, without anything that would steer a terminal.
#[derive(Debug)]
pub(super) struct Excerpt {
    text: String,
    line: usize,
    /// The marked bytes of `text`.
    pub(super) mark: Range<usize>,
}

impl Excerpt {
    /// The line in which `at` begins, with the part of `at` that is in it marked: at least one column.
    ///
    /// A line of more than `width` characters is cut, so that something of what stands before the mark is shown too.
    pub(super) fn new(origin: &SourceText, at: &Location, width: usize) -> Self {
        let lead = width * 3 / 10;
        let bytes = origin.line(at.line);
        let line = origin.text().get(bytes.clone()).unwrap_or_default();
        let marked = at.byte_range.start.clamp(bytes.start, bytes.end) - bytes.start
            ..at.byte_range.end.clamp(bytes.start, bytes.end) - bytes.start;
        let first = line.get(..marked.start).map_or(0, |before| before.chars().count());
        let length = line.chars().count();
        let end = first + line.get(marked.clone()).map_or(0, |marked| marked.chars().count());
        let skipped =
            if end > width { first.saturating_sub(lead).min(length.saturating_sub(width)) } else { 0 };
        let mut text = String::new();
        let mut mark = None::<Range<usize>>;
        if skipped > 0 {
            text.push('…');
        }
        for (at, character) in line.char_indices().skip(skipped).take(width) {
            let begin = text.len();
            show(character, &mut text);
            if marked.contains(&at) {
                mark = Some(mark.map_or(begin, |mark| mark.start)..text.len());
            }
        }
        if length > skipped + width {
            text.push('…');
        }
        let mark = mark.unwrap_or_else(|| {
            // At the end of the line: one column after it.
            let end = text.len();
            text.push(' ');
            end..text.len()
        });
        Self { text, line: at.line, mark }
    }

    /// The columns that a label below the mark has: it begins near the mark's middle.
    pub(super) fn room_beside(&self, width: usize) -> usize {
        let middle = self.mark.start.midpoint(self.mark.end);
        let before =
            self.text.get(..self.text.floor_char_boundary(middle)).unwrap_or_default().chars().count();
        width.saturating_sub(before + ARM)
    }
}

/// Appends a character as it can be shown: a tab as spaces, other control characters as their pictures.
fn show(character: char, text: &mut String) {
    match character {
        '\t' => text.push_str(&" ".repeat(TAB)),
        '\u{0}'..='\u{1f}' => text.extend(char::from_u32(0x2400 + u32::from(character))),
        '\u{7f}' => text.push('␡'),
        // Directions and joiners would move what stands beside them.
        '\u{200b}'..='\u{200d}' => text.push('\u{fffd}'),
        steering if steers(steering) => text.push('\u{fffd}'),
        other => text.push(other),
    }
}

impl SourceCode for Excerpt {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        _: usize,
        _: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        if span.offset() + span.len() > self.text.len() {
            return Err(MietteError::OutOfBounds);
        }
        let whole = SourceSpan::from((0, self.text.len()));
        let contents =
            MietteSpanContents::new(self.text.as_bytes(), whole, self.line.saturating_sub(1), 0, 1);
        Ok(Box::new(contents))
    }
}
