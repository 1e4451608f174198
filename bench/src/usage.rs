//! What a process takes of the machine, as Linux counts it.

use std::fs;

use anyhow::{Context as _, Result};

/// What a process holds of memory now, in MiB.
///
/// # Errors
/// When it has ended.
pub fn resident_mib(process: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
    Ok(kib.context("the process has no VmRSS")?.parse::<f64>()? / 1024.0)
}

/// The processor time that a process has had so far, in seconds: all of its threads, user and system (proc_pid_stat(5)).
///
/// # Errors
/// When it has ended.
pub fn processor_seconds(process: u32) -> Result<f64> {
    // On every Linux that Rust runs on.
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name, in brackets, may hold spaces. What follows it begins with the third field; 14 and 15 are wanted.
    let (_, fields) = stat.rsplit_once(')').context("the process has no name")?;
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<f64>);
    Ok(ticks.sum::<Result<f64, _>>()? / TICKS_PER_SECOND)
}
