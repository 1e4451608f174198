//! What Sallyport holds of memory: with many policies, and after many reviews.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::load::{Load, Until, send};
use crate::review::Reviews;
use crate::servers::sallyport;

/// As many policies as a large cluster may have.
const POLICIES: usize = 1000;
/// After so many reviews every thread has done everything once.
const FEW: u64 = 10_000;

/// Prints resident memory before any review, after few and after `many`.
pub(crate) async fn run(program: &Path, reviews: &Reviews, load: Load, many: u64) -> Result<()> {
    let server = sallyport::start("sallyport", program, reviews, POLICIES - 1).await?;
    println!("| sallyport with {POLICIES} policies | resident MiB |");
    println!("|---|---|");
    println!("| at the start | {:.1} |", server.resident_mib()?);
    let both = server.workloads.iter().find(|workload| workload.name == "both");
    let calls = &both.context("both are asked for")?.calls;
    let mut sent = 0;
    for upto in [FEW, many] {
        if upto <= sent {
            continue;
        }
        let load = Load { warm_up: Duration::ZERO, until: Until::Calls(upto - sent), ..load };
        tokio::task::block_in_place(|| send(&server.target, calls, &load))?;
        sent = upto;
        println!("| after {upto} reviews | {:.1} |", server.resident_mib()?);
    }
    Ok(())
}
