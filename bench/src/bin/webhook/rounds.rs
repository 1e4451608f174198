//! Interleaved rounds: in each, every workload of every server has its turn, and each round begins with another. So
//! what the machine does meanwhile falls on all of them.

use anyhow::{Context as _, Result};

use crate::load::{Load, send};
use crate::servers::Running;

/// What became of one workload of one server, round by round.
pub(crate) struct Row {
    /// The server's position.
    pub(crate) server: usize,
    pub(crate) workload: &'static str,
    pub(crate) calls_per_second: Vec<f64>,
    /// What the server itself took of the processors for each call, in microseconds: this holds on a busy machine too.
    pub(crate) processor_us: Vec<f64>,
    /// In milliseconds, as all latencies.
    pub(crate) p50: Vec<f64>,
    pub(crate) p99: Vec<f64>,
    /// Memory after the last load, in MiB.
    pub(crate) resident_mib: f64,
}

/// Runs so many rounds. `tell` is told of each turn before it begins.
pub(crate) fn run(
    servers: &[Running],
    workloads: impl Fn(&str) -> bool,
    rounds: usize,
    load: &Load,
    mut tell: impl FnMut(usize, &str, &str),
) -> Result<Vec<Row>> {
    let mut rows: Vec<Row> = Vec::new();
    for (server, running) in servers.iter().enumerate() {
        for workload in running.workloads.iter().filter(|workload| workloads(workload.name)) {
            rows.push(Row {
                server,
                workload: workload.name,
                calls_per_second: Vec::new(),
                processor_us: Vec::new(),
                p50: Vec::new(),
                p99: Vec::new(),
                resident_mib: 0.0,
            });
        }
    }
    let turns = rows.len();
    for round in 0..rounds {
        for turn in 0..turns {
            let row = &mut rows[(turn + round) % turns];
            let server = &servers[row.server];
            tell(round, &server.name, row.workload);
            let calls = server.workloads.iter().find(|workload| workload.name == row.workload);
            let calls = &calls.context("a row has a workload")?.calls;
            let before = server.processor_seconds()?;
            let measured = send(&server.target, calls, load)
                .with_context(|| format!("{} of {}", row.workload, server.name))?;
            let took = server.processor_seconds()? - before;
            row.processor_us.push(took * 1e6 / measured.answered as f64);
            row.calls_per_second.push(measured.calls_per_second());
            row.p50.push(measured.quantile(0.5));
            row.p99.push(measured.quantile(0.99));
            row.resident_mib = server.resident_mib()?;
        }
    }
    Ok(rows)
}
