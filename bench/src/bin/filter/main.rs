//! Measures what Sallyport's filter adds to a request in a real Envoy: beside Envoy's own filters, and beside what any
//! filter in WebAssembly pays for the same host calls.
//!
//! Every answer is checked, status and headers; a wrong one ends the run.

mod aims;
mod bare_filter;
mod chain;
mod host_call;
mod issuer;
mod load;
mod observe;
mod processors;
mod rounds;
mod setups;
mod table;
mod trace;

use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Parser;

use chain::Chains;
use load::Load;
use processors::Processors;
use setups::Setups;

#[derive(Parser)]
#[command(about = "Measures Sallyport's filter in Envoy, beside Envoy's own filters")]
struct Args {
    /// How often each chain has its turn
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// How long a turn is
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// How long each chain answers before the first round, until V8 has compiled it well
    #[arg(long, default_value_t = 10.0)]
    heat: f64,
    /// Connections that requests are sent over at a time
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Only these chains of filters, such as `native,sallyport`; `host-calls` stands for all that have one call's price
    #[arg(long, value_delimiter = ',')]
    chains: Vec<String>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    ensure!(args.rounds > 0 && args.connections > 0, "there must be a round and a connection");
    let processors = Processors::choose()?;
    let load = Load {
        connections: args.connections,
        warm_up: Duration::from_millis(300),
        time: Duration::from_secs_f64(args.seconds),
    };
    eprintln!("building the filter, and the bare one");
    let setups = Setups::prepare()?;
    eprintln!("counting host calls");
    let observed = observe::observe(&setups).await?;
    let wanted = |name: &str| args.chains.is_empty() || args.chains.iter().any(|chain| chain == name);
    let chains = Chains::start(&setups, &observed, wanted).await?;
    if let Some(processors) = &processors {
        for chain in &chains.all {
            processors.pin_process(chain.process())?;
        }
    }
    println!(
        "{} rounds of {} s, {} connections; {}\n",
        args.rounds,
        args.seconds,
        args.connections,
        processors.as_ref().map_or_else(
            || "one processor for all: nothing is pinned".to_owned(),
            |Processors { generator, proxies }| format!(
                "load from processor {generator}, Envoy on {proxies}"
            ),
        )
    );
    let rows = tokio::task::block_in_place(|| {
        let heat = Duration::from_secs_f64(args.heat);
        rounds::heat(&chains.all, heat, &load, processors.as_ref(), |chain| {
            eprintln!("warming up: {chain}");
        })?;
        rounds::run(&chains.all, args.rounds, &load, processors.as_ref(), |round, chain| {
            eprintln!("round {} of {}: {chain}", round + 1, args.rounds);
        })
    })?;
    table::print_chains(&rows);
    table::print_host_calls(&observed, &rows);
    aims::print(&rows);
    Ok(())
}
