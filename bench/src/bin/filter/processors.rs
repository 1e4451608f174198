//! Which processor does what: one sends, another has the Envoys. So neither takes the other's time.

use std::fs;

use anyhow::{Context as _, Result};
use rustix::thread::{CpuSet, Pid, sched_getaffinity, sched_setaffinity};

/// Two different processors, by their numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Processors {
    /// That of the thread that sends.
    pub(crate) generator: usize,
    /// That of all Envoys, which have their turns.
    pub(crate) proxies: usize,
}

impl Processors {
    /// The first two that this process may use; `None`, if it may use one only.
    pub(crate) fn choose() -> Result<Option<Self>> {
        let allowed = sched_getaffinity(None)?;
        let mut numbers = (0..CpuSet::MAX_CPU).filter(|number| allowed.is_set(*number));
        let (first, second) = (numbers.next(), numbers.next());
        Ok(first.zip(second).map(|(generator, proxies)| Self { generator, proxies }))
    }

    /// Keeps the thread that calls this to the generator's.
    pub(crate) fn pin_generator(self) -> Result<()> {
        Ok(sched_setaffinity(None, &only(self.generator))?)
    }

    /// Keeps all threads that a process has now to the proxies'.
    pub(crate) fn pin_process(self, process: u32) -> Result<()> {
        for entry in fs::read_dir(format!("/proc/{process}/task"))? {
            let name = entry?.file_name();
            let thread = name.to_str().and_then(|name| Pid::from_raw(name.parse().ok()?));
            sched_setaffinity(Some(thread.context("a thread has no number")?), &only(self.proxies))?;
        }
        Ok(())
    }
}

fn only(number: usize) -> CpuSet {
    let mut set = CpuSet::new();
    set.set(number);
    set
}
