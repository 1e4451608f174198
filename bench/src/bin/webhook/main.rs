//! Measures Sallyport's webhook against its peers: in one run, on this machine, over TLS, with the same reviews.
//!
//! Every answer is held against what it must be, patches by what they make of the pod; a wrong one ends the run.

mod load;
mod memory;
mod review;
mod rounds;
mod servers;
mod table;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use sallyport_tests::control_plane::ControlPlane;

use load::{Load, Until};
use review::Reviews;
use servers::{Running, bare, kyverno, pod_security_admission, sallyport};

#[derive(Parser)]
#[command(about = "Measures Sallyport's webhook against its peers")]
struct Args {
    /// How often each server has its turn with each of its workloads
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How long a turn is
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Connections that calls are sent over at a time
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Threads that send; as many as processors by default
    #[arg(long)]
    threads: Option<usize>,
    /// Only these servers, such as `bare-parse,sallyport`
    #[arg(long, value_delimiter = ',')]
    servers: Vec<String>,
    /// Only these workloads, of mutate, validate, deny and both
    #[arg(long, value_delimiter = ',')]
    workloads: Vec<String>,
    /// The program under test; by default the one beside this
    #[arg(long)]
    sallyport: Option<PathBuf>,
    /// Another build of it, to compare with
    #[arg(long)]
    before: Option<PathBuf>,
    /// How many reviews memory is measured after; 0 leaves that out
    #[arg(long, default_value_t = 1_000_000)]
    reviews: u64,
}

impl Args {
    fn asks_for(&self, server: &str) -> bool {
        self.servers.is_empty() || self.servers.iter().any(|asked| asked == server)
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let load = Load {
        connections: args.connections,
        threads: args.threads.unwrap_or(threads),
        warm_up: Duration::from_millis(300),
        until: Until::Time(Duration::from_secs_f64(args.seconds)),
    };
    let reviews = Reviews::load()?;
    let here = std::env::current_exe()?;
    let here = here.parent().context("this program is in a folder")?;
    let program = args.sallyport.clone().unwrap_or_else(|| here.join("sallyport"));
    ensure!(program.is_file(), "{} is missing: build it with --release", program.display());

    if args.rounds > 0 {
        // The control plane ends after those that ask it.
        let cluster = control_plane(&args).await?;
        let servers = start(&args, here, &program, &reviews, cluster.as_ref()).await?;
        let (unhardened, hardened) = reviews.bytes();
        println!(
            "{} rounds of {} s, {} connections, {} threads that send, {threads} processors; \
             reviews of {unhardened} and {hardened} bytes\n",
            args.rounds, args.seconds, load.connections, load.threads
        );
        let wanted = |workload: &str| {
            args.workloads.is_empty()
                || ["allow", "echo"].contains(&workload)
                || args.workloads.iter().any(|asked| asked == workload)
        };
        let rows = tokio::task::block_in_place(|| {
            rounds::run(&servers, wanted, args.rounds, &load, |round, server, workload| {
                eprintln!("round {} of {}: {server}, {workload}", round + 1, args.rounds);
            })
        })?;
        table::print(&servers, &rows);
    }
    if args.reviews > 0 {
        println!();
        memory::run(&program, &reviews, load, args.reviews).await?;
    }
    Ok(())
}

/// The API server that some of the peers cannot start without.
async fn control_plane(args: &Args) -> Result<Option<ControlPlane>> {
    if !args.asks_for("pod-security-admission") && !args.asks_for("kyverno") {
        return Ok(None);
    }
    let cluster = ControlPlane::start().await?;
    // The reviews' namespace: peers ask for its labels.
    let namespace = serde_json::json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "shop" },
    });
    cluster.objects().apply(&namespace).await?;
    Ok(Some(cluster))
}

async fn start(
    args: &Args,
    here: &Path,
    program: &Path,
    reviews: &Reviews,
    cluster: Option<&ControlPlane>,
) -> Result<Vec<Running>> {
    let mut servers = Vec::new();
    if args.asks_for("bare-echo") {
        servers.push(bare::echoing(here, reviews).await?);
    }
    if args.asks_for("bare-parse") {
        servers.push(bare::parsing(here, reviews).await?);
    }
    if args.asks_for("sallyport") {
        servers.push(sallyport::start("sallyport", program, reviews, 0).await?);
    }
    if let Some(before) = &args.before {
        servers.push(sallyport::start("sallyport-before", before, reviews, 0).await?);
    }
    if let Some(cluster) = cluster.filter(|_| args.asks_for("pod-security-admission")) {
        servers.push(pod_security_admission::start(cluster, reviews).await?);
    }
    if let Some(cluster) = cluster.filter(|_| args.asks_for("kyverno")) {
        servers.push(kyverno::start(cluster, reviews).await?);
    }
    ensure!(!servers.is_empty(), "there is no such server");
    Ok(servers)
}
