//! Tokens whose signature was verified, so that each is verified once a worker.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

use sallyport_policy::Duration;

use crate::host::Monotonic;

/// How long a verified token is remembered.
pub const REMEMBERED_FOR: Duration = Duration::from_secs(300);
/// How many tokens are remembered.
const MOST_ENTRIES: usize = 4096;
/// How many bytes they may have together.
const MOST_BYTES: usize = 4 << 20;

/// Verified tokens of one worker, each with what verified it and what it says, bounded in number and bytes. Whole tokens are compared.
///
/// The oldest gives way to the newest: a token that is still in use is verified once more and comes back.
#[derive(Debug)]
pub struct VerifiedTokens<K, T> {
    /// By the end of the token, which is its signature: nobody can choose those that get here.
    entries: HashMap<u64, Entry<K, T>, BuildHasherDefault<Identity>>,
    /// In the order in which they came, each with its time: entries that were replaced stand here still.
    order: VecDeque<(u64, Monotonic)>,
    bytes: usize,
    most_entries: usize,
    most_bytes: usize,
}

#[derive(Debug)]
struct Entry<K, T> {
    token: Box<[u8]>,
    /// What verified it.
    verified_by: K,
    since: Monotonic,
    says: T,
}

impl<K: PartialEq, T> Default for VerifiedTokens<K, T> {
    fn default() -> Self {
        Self::bounded(MOST_ENTRIES, MOST_BYTES)
    }
}

impl<K: PartialEq, T> VerifiedTokens<K, T> {
    fn bounded(most_entries: usize, most_bytes: usize) -> Self {
        Self { entries: HashMap::default(), order: VecDeque::new(), bytes: 0, most_entries, most_bytes }
    }

    /// What a token says, if these keys verified it in the last [`REMEMBERED_FOR`].
    pub fn get(&self, token: &[u8], keys: &K, now: Monotonic) -> Option<&T> {
        let entry = self.entries.get(&fingerprint(token))?;
        let is_young = now.0.saturating_sub(entry.since.0) < REMEMBERED_FOR.as_millis() * 1_000_000;
        (is_young && entry.verified_by == *keys && *entry.token == *token).then_some(&entry.says)
    }

    /// Remembers that these keys verified a token. One too large to be kept is not.
    pub fn insert(&mut self, token: &[u8], keys: K, now: Monotonic, says: T) {
        if token.len() > self.most_bytes {
            return;
        }
        let fingerprint = fingerprint(token);
        self.remove(fingerprint);
        while self.entries.len() >= self.most_entries || self.bytes + token.len() > self.most_bytes {
            let Some((oldest, since)) = self.order.pop_front() else { break };
            if self.entries.get(&oldest).is_some_and(|entry| entry.since == since) {
                self.remove(oldest);
            }
        }
        // Entries that were replaced leave their place in the order behind.
        if self.order.len() >= 2 * self.most_entries {
            let entries = &self.entries;
            self.order.retain(|(fingerprint, since)| {
                entries.get(fingerprint).is_some_and(|entry| entry.since == *since)
            });
        }
        self.bytes += token.len();
        self.order.push_back((fingerprint, now));
        let entry = Entry { token: token.into(), verified_by: keys, since: now, says };
        self.entries.insert(fingerprint, entry);
    }

    fn remove(&mut self, fingerprint: u64) {
        if let Some(entry) = self.entries.remove(&fingerprint) {
            self.bytes -= entry.token.len();
        }
    }

    /// How many are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// The last bytes of a token. Of those that get into the table, they are as good as random.
fn fingerprint(token: &[u8]) -> u64 {
    let Some((rest, end)) = token.split_last_chunk::<8>() else { return 0 };
    let before = rest.last_chunk::<8>().copied().unwrap_or_default();
    // Base64url leaves bits of every byte unused: both halves of a product hang on all bits of its factors.
    let [end, before] = [*end, before].map(u64::from_le_bytes);
    let product = u128::from(end ^ 0x9e37_79b9_7f4a_7c15) * u128::from(before ^ 0xf39c_c060_5ced_c835);
    let [low, high] = [product & u128::from(u64::MAX), product >> 64];
    u64::try_from(low ^ high).unwrap_or_default()
}

/// What is hashed is a hash already.
#[derive(Debug, Default)]
struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn token(i: u32) -> Vec<u8> {
        format!("header.payload.{:0>32}", u64::from(i).wrapping_mul(0x1234_5678_9abc_def1)).into_bytes()
    }

    #[test]
    fn a_token_is_found_only_whole_and_only_by_what_verified_it() {
        let mut tokens = VerifiedTokens::default();
        tokens.insert(&token(1), 7, Monotonic(0), "one");
        assert_eq!(tokens.get(&token(1), &7, Monotonic(0)), Some(&"one"));
        assert_eq!(tokens.get(&token(1), &8, Monotonic(0)), None, "other keys");
        assert_eq!(tokens.get(&token(2), &7, Monotonic(0)), None);
        let mut same_signature = token(1);
        same_signature[0] ^= 1;
        assert_eq!(tokens.get(&same_signature, &7, Monotonic(0)), None);
        assert_eq!(tokens.get(b"short", &7, Monotonic(0)), None);
    }

    #[test]
    fn a_token_is_remembered_for_five_minutes() {
        let mut tokens = VerifiedTokens::default();
        tokens.insert(&token(1), 0, Monotonic(SECOND), ());
        assert!(tokens.get(&token(1), &0, Monotonic(301 * SECOND - 1)).is_some());
        assert!(tokens.get(&token(1), &0, Monotonic(301 * SECOND)).is_none());
    }

    #[test]
    fn the_oldest_gives_way_and_bounds_hold() {
        let mut tokens = VerifiedTokens::bounded(10, 400);
        for i in 0..10_000u32 {
            tokens.insert(&token(i), 0, Monotonic(u64::from(i)), i);
            // Some come again and again.
            tokens.insert(&token(0), 0, Monotonic(u64::from(i)), 0);
            assert!(tokens.len() <= 10 && tokens.bytes <= 400 && tokens.order.len() <= 20);
            assert_eq!(tokens.bytes, tokens.entries.values().map(|entry| entry.token.len()).sum::<usize>());
            assert_eq!(tokens.get(&token(i), &0, Monotonic(u64::from(i))), Some(&i));
        }
        tokens.insert(&[b'a'; 401], 0, Monotonic(0), 1);
        assert!(tokens.get(&[b'a'; 401], &0, Monotonic(0)).is_none());
        assert!(!tokens.is_empty());
    }

    #[test]
    fn tokens_spread_over_the_table() {
        let mut seen = std::collections::BTreeSet::new();
        for i in 0..4096 {
            seen.insert(fingerprint(&token(i)) & 0xffff);
        }
        assert!(seen.len() > 3500, "{}", seen.len());
    }
}
