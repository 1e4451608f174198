//! How far a long command is, on a terminal.

use std::cell::OnceCell;
use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// What is done sooner needs no bar.
const A_MOMENT: Duration = Duration::from_millis(700);

/// A bar on standard error: only on a terminal, and only of what takes more than a moment.
pub(super) struct Progress {
    /// Whether somebody could see it, and nothing else is written there meanwhile.
    shown: bool,
    begun: Instant,
    bar: ProgressBar,
    drawn: OnceCell<()>,
}

impl Progress {
    /// A bar; none is drawn where results are written to a terminal as they come.
    pub(super) fn new(results_come_at_once: bool) -> Self {
        let crossed = results_come_at_once && io::stdout().is_terminal();
        let shown = io::stderr().is_terminal() && !crossed;
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        Self { shown, begun: Instant::now(), bar, drawn: OnceCell::new() }
    }

    /// Says how many there are.
    pub(super) fn begin(&self, objects: usize) {
        self.bar.set_length(objects as u64);
    }

    /// So many more are done.
    pub(super) fn advance(&self, objects: usize) {
        if self.shown && self.begun.elapsed() > A_MOMENT {
            self.drawn.get_or_init(|| {
                if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos} of {len} objects") {
                    self.bar.set_style(style);
                }
                self.bar.set_draw_target(ProgressDrawTarget::stderr());
            });
        }
        self.bar.inc(objects as u64);
    }

    /// Takes the bar away.
    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
