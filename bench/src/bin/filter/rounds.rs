//! Interleaved rounds: in each, every chain has its turn, and each round begins with another. So what the machine does
//! meanwhile falls on all of them.

use std::time::Duration;

use anyhow::{Context as _, Result};
use sallyport_bench::usage::processor_seconds;

use crate::chain::Chain;
use crate::host_call::Kind;
use crate::load::{Load, send};
use crate::processors::Processors;

/// What became of one chain, round by round. All times are microseconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    pub(crate) name: String,
    /// The host call whose price this is for.
    pub(crate) prices: Option<Kind>,
    /// What Envoy took of its processor for each request: this holds on a busy machine too.
    pub(crate) processor: Vec<f64>,
    /// What passed for each request.
    pub(crate) wall: Vec<f64>,
    pub(crate) p50: Vec<f64>,
    pub(crate) p99: Vec<f64>,
}

impl Row {
    /// What it takes of the processor beyond another, round by round: what both did within a minute of each other.
    pub(crate) fn added(&self, base: &Self) -> Vec<f64> {
        differences(&self.processor, &base.processor)
    }

    /// What it takes of the time beyond another.
    pub(crate) fn added_wall(&self, base: &Self) -> Vec<f64> {
        differences(&self.wall, &base.wall)
    }

    pub(crate) fn requests_per_second(&self) -> Vec<f64> {
        self.wall.iter().map(|us| 1e6 / us).collect()
    }
}

fn differences(these: &[f64], those: &[f64]) -> Vec<f64> {
    these.iter().zip(those).map(|(this, that)| this - that).collect()
}

/// Has every chain answer for a while, before anything is measured: V8 first compiles WebAssembly quickly, and well only
/// what was called some ten thousand times, on the same processor. A proxy that serves has that behind it.
pub(crate) fn heat(
    chains: &[Chain],
    time: Duration,
    load: &Load,
    processors: Option<&Processors>,
    mut tell: impl FnMut(&str),
) -> Result<()> {
    let load = Load { time, ..*load };
    for chain in chains {
        tell(&chain.name);
        send(&chain.target, &load, processors).with_context(|| chain.name.clone())?;
    }
    Ok(())
}

/// Runs so many rounds. `tell` is told of each turn before it begins.
pub(crate) fn run(
    chains: &[Chain],
    rounds: usize,
    load: &Load,
    processors: Option<&Processors>,
    mut tell: impl FnMut(usize, &str),
) -> Result<Vec<Row>> {
    let row =
        |chain: &Chain| Row { name: chain.name.clone(), prices: chain.prices.clone(), ..Row::default() };
    let mut rows: Vec<Row> = chains.iter().map(row).collect();
    for round in 0..rounds {
        for turn in 0..chains.len() {
            let at = (turn + round) % chains.len();
            let (chain, row) = (&chains[at], &mut rows[at]);
            tell(round, &chain.name);
            let before = processor_seconds(chain.process())?;
            let measured = send(&chain.target, load, processors).with_context(|| chain.name.clone())?;
            let took = processor_seconds(chain.process())? - before;
            row.processor.push(took * 1e6 / measured.answered as f64);
            row.wall.push(measured.seconds * 1e6 / measured.latencies.count() as f64);
            row.p50.push(measured.latencies.quantile(0.5) / 1e3);
            row.p99.push(measured.latencies.quantile(0.99) / 1e3);
        }
    }
    Ok(rows)
}
