//! What `make demo` shows: both gates, with the workloads and policies of five systems.

mod admission;
mod traffic;

use std::path::Path;
use std::process::ExitCode;

use anstyle::{AnsiColor, Color, Style};
use anyhow::bail;

pub(crate) const SYSTEMS: [(&str, &str); 5] = [
    ("mita", "a financial application on Helm"),
    ("financial-planning", "an API on Istio"),
    ("ai-imutis", "an AI backend with its own PostgreSQL and Redis"),
    ("mini-visa", "card payments"),
    ("media-platform", "an API, media processing and workers"),
];

pub(crate) const STRONG: Style = Style::new().bold();
pub(crate) const FAINT: Style = Style::new().dimmed();
pub(crate) const GREEN: Style = Style::new().fg_color(Some(Color::Ansi(AnsiColor::Green)));
pub(crate) const CYAN: Style = Style::new().fg_color(Some(Color::Ansi(AnsiColor::Cyan)));
pub(crate) const YELLOW: Style = Style::new().fg_color(Some(Color::Ansi(AnsiColor::Yellow)));

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let Ok(examples) = Path::new("manifests/examples").canonicalize() else {
        bail!("run this from the root of the repository: `make demo`");
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut out = anstream::stdout();
        admission::show(&examples, &mut out).await?;
        traffic::show(&mut out).await
    })
}
