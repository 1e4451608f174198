//! The text of a file, and places in it.

use std::fmt::Write as _;
use std::ops::Range;

use serde_json::Value;

/// A file's text under the name by which the user knows it.
#[derive(Debug)]
pub struct SourceText {
    name: String,
    text: String,
    /// Where each line begins, in bytes.
    lines: Vec<usize>,
}

/// A place in a [`SourceText`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// The bytes of the text.
    pub byte_range: Range<usize>,
}

impl SourceText {
    /// The text of the file that the user calls `name`. A byte order mark is not part of the text.
    #[must_use]
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        let mut text = text.into();
        if text.starts_with('\u{feff}') {
            text.drain(..'\u{feff}'.len_utf8());
        }
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { name: name.into(), text, lines }
    }

    /// The text of a value: JSON, with escapes for what JSON takes in a string as it is and the reader of YAML does not
    /// (YAML 1.2 section 5.1).
    #[must_use]
    pub fn of_value(name: impl Into<String>, value: &Value) -> Self {
        let json = value.to_string();
        let mut text = String::with_capacity(json.len());
        for c in json.chars() {
            if matches!(c, '\u{7f}'..='\u{9f}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}') {
                let _ = write!(text, "\\u{:04x}", u32::from(c));
            } else {
                text.push(c);
            }
        }
        Self::new(name, text)
    }

    /// The file's name, as the user wrote it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The whole text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The line and column at which `byte_range` begins. A range beyond the end is cut there.
    #[must_use]
    pub fn location(&self, byte_range: Range<usize>) -> Location {
        let start = self.boundary(byte_range.start);
        let end = self.boundary(byte_range.end).max(start);
        let line = self.lines.partition_point(|&begin| begin <= start);
        let begin = self.lines.get(line.saturating_sub(1)).copied().unwrap_or_default();
        let column = self.text.get(begin..start).unwrap_or_default().chars().count() + 1;
        Location { line, column, byte_range: start..end }
    }

    /// The bytes of a line (from 1), without its line break. A line beyond the end is empty.
    #[must_use]
    pub fn line(&self, line: usize) -> Range<usize> {
        let end = self.text.len();
        let begin = self.lines.get(line.saturating_sub(1)).copied().unwrap_or(end);
        let next = self.lines.get(line).copied().unwrap_or(end);
        let text = self.text.get(begin..next).unwrap_or_default();
        begin..begin + text.trim_end_matches('\n').trim_end_matches('\r').len()
    }

    /// The nearest character boundary at or before `at`.
    fn boundary(&self, at: usize) -> usize {
        self.text.floor_char_boundary(at)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::source::parse;

    #[test]
    fn what_json_takes_and_yaml_does_not_is_escaped() {
        let value = json!({"a\u{7f}": "\u{85}\u{feff}\u{ffff}é\u{2028}\u{0}😀"});
        let (documents, errors) = parse(&Arc::new(SourceText::of_value("a", &value)));
        assert!(errors.is_empty(), "{}", errors[0]);
        assert_eq!(documents[0].value, value);
    }

    #[test]
    fn a_column_counts_characters() {
        let text = SourceText::new("a", "x: 1\r\nü€: y\n");
        assert_eq!(text.location(13..14), Location { line: 2, column: 5, byte_range: 13..14 });
        assert_eq!(&text.text()[text.line(2)], "ü€: y");
        assert_eq!(&text.text()[text.line(1)], "x: 1");
        assert_eq!(text.location(99..120), Location { line: 3, column: 1, byte_range: 15..15 });
    }
}
