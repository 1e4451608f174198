//! Names of keys that a provider does not have.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crate::host::Monotonic;

/// How many are remembered.
const MOST: usize = 256;

/// Names (`kid`, RFC 7515 §4.1.4) that were asked for in vain: whoever comes with one again waits for nothing, until a
/// fetch may be hoped for again.
///
/// Only hashes are kept. Two names with the same hash cost the second nothing but the fetch that it would have asked for.
#[derive(Debug, Default)]
pub(super) struct UnknownKids {
    seen: Vec<(u64, Monotonic)>,
    /// Which is replaced next.
    oldest: usize,
}

impl UnknownKids {
    pub(super) fn contains(&self, kid: &str, now: Monotonic) -> bool {
        let hash = hash(kid);
        self.seen.iter().any(|(seen, until)| *seen == hash && now < *until)
    }

    pub(super) fn insert(&mut self, kid: &str, until: Monotonic) {
        let entry = (hash(kid), until);
        if let Some(same) = self.seen.iter_mut().find(|(seen, _)| *seen == entry.0) {
            *same = entry;
        } else if self.seen.len() < MOST {
            self.seen.push(entry);
        } else if let Some(oldest) = self.seen.get_mut(self.oldest) {
            *oldest = entry;
            self.oldest = (self.oldest + 1) % MOST;
        }
    }

    pub(super) fn clear(&mut self) {
        self.seen.clear();
        self.oldest = 0;
    }
}

fn hash(kid: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    kid.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_remembered_for_so_long() {
        let mut unknown = UnknownKids::default();
        unknown.insert("a", Monotonic(9));
        assert!(unknown.contains("a", Monotonic(5)));
        assert!(!unknown.contains("b", Monotonic(5)));
        assert!(unknown.contains("a", Monotonic(8)));
        assert!(!unknown.contains("a", Monotonic(9)));
        unknown.clear();
        assert!(!unknown.contains("a", Monotonic(5)));
    }

    #[test]
    fn as_many_as_there_are_no_more_than_the_bound_are_kept_the_latest_of_all() {
        let mut unknown = UnknownKids::default();
        for i in 0..10 * MOST {
            unknown.insert(&i.to_string(), Monotonic(1));
            unknown.insert(&i.to_string(), Monotonic(1));
            assert!(unknown.seen.len() <= MOST);
            for recent in i.saturating_sub(MOST - 1)..=i {
                assert!(unknown.contains(&recent.to_string(), Monotonic(0)), "{recent} of {i}");
            }
        }
    }
}
