//! Two texts side by side, line by line.

use std::io::{self, Write};

use similar::{ChangeTag, TextDiff};

use super::super::paint::{ADDED, FAINT, REMOVED};
use crate::plain::visible_lines;

/// The lines that differ, with two lines around them and their numbers left out: the object is not the file.
pub(in crate::cli) fn diff(out: &mut impl Write, before: &str, after: &str) -> io::Result<()> {
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
