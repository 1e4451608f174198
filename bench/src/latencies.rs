//! How long answers took.

use std::time::Duration;

use anyhow::{Result, ensure};

/// What answers took, each from the first byte written to the last read. There is at least one.
#[derive(Debug)]
pub struct Latencies {
    /// In nanoseconds, in ascending order.
    sorted: Vec<u32>,
}

impl Latencies {
    /// Those of all connections.
    ///
    /// # Errors
    /// When nothing was answered.
    pub fn of(mut nanoseconds: Vec<u32>) -> Result<Self> {
        ensure!(!nanoseconds.is_empty(), "nothing was answered");
        nanoseconds.sort_unstable();
        Ok(Self { sorted: nanoseconds })
    }

    /// One of them, as it is kept: nanoseconds, of which 32 bits are four seconds.
    #[must_use]
    pub fn kept(took: Duration) -> u32 {
        u32::try_from(took.as_nanos()).unwrap_or(u32::MAX)
    }

    /// How many answers there were.
    #[must_use]
    pub fn count(&self) -> usize {
        self.sorted.len()
    }

    /// What this share of the answers stayed within, in nanoseconds.
    #[must_use]
    pub fn quantile(&self, share: f64) -> f64 {
        let at = (self.sorted.len() as f64 * share) as usize;
        f64::from(self.sorted[at.min(self.sorted.len() - 1)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_one_of_the_latencies() -> Result<()> {
        let latencies = Latencies::of((1..=100).rev().collect())?;
        assert_eq!(
            (latencies.quantile(0.5), latencies.quantile(0.99), latencies.quantile(1.0)),
            (51.0, 100.0, 100.0)
        );
        assert!(Latencies::of(Vec::new()).is_err());
        Ok(())
    }
}
