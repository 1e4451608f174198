//! The few styles that the program writes in.

use anstyle::{AnsiColor, Color, Style};

const fn coloured(colour: AnsiColor) -> Style {
    Style::new().fg_color(Some(Color::Ansi(colour)))
}

/// What a reader looks for first.
pub(super) const STRONG: Style = Style::new().bold();
/// What can be passed over.
pub(super) const FAINT: Style = Style::new().dimmed();
/// Something that was added.
pub(super) const ADDED: Style = coloured(AnsiColor::Green);
/// Something that was taken away.
pub(super) const REMOVED: Style = coloured(AnsiColor::Red);
/// A policy entry.
pub(super) const SOURCE: Style = coloured(AnsiColor::Cyan);
/// Something to look at.
pub(super) const DOUBT: Style = coloured(AnsiColor::Yellow);
/// Something that is wrong.
pub(super) const ERROR: Style = coloured(AnsiColor::Red).bold();
