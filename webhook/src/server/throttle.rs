//! Keeps a flood of requests from becoming a flood of lines in the log.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Lines of one sort that are written within a [`PERIOD`].
const MOST: u32 = 10;
const PERIOD: Duration = Duration::from_secs(1);

/// Lets the first lines of each second through, and counts the others.
pub(crate) struct Throttle {
    most: u32,
    state: Mutex<State>,
}

impl Default for Throttle {
    fn default() -> Self {
        Self::of(MOST)
    }
}

#[derive(Default)]
struct State {
    since: Option<Instant>,
    told: u32,
    suppressed: u64,
}

impl Throttle {
    /// One that lets so many lines through.
    pub(crate) fn of(most: u32) -> Self {
        Self { most, state: Mutex::default() }
    }

    /// Whether a line may be written now: if so, how many before it were not.
    pub(crate) fn pass(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.since.is_none_or(|since| now.saturating_duration_since(since) >= PERIOD) {
            (state.since, state.told) = (Some(now), 0);
        }
        if state.told >= self.most {
            state.suppressed += 1;
            return None;
        }
        state.told += 1;
        Some(std::mem::take(&mut state.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_lines_of_a_second_pass_and_the_next_one_counts_those_left_out() {
        let throttle = Throttle::default();
        let now = Instant::now();
        let passed: Vec<_> = (0..100).filter_map(|_| throttle.pass(now)).collect();
        assert_eq!(passed, [0; 10]);
        assert_eq!(throttle.pass(now + PERIOD / 2), None);
        assert_eq!(throttle.pass(now + PERIOD), Some(91));
        assert_eq!(throttle.pass(now + PERIOD), Some(0));
    }
}
