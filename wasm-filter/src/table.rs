//! Tables by what the proxy gives out or the policy names.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A table by numbers that the proxy gives out, or by names that the filter or its policy has: no client chooses them so
/// that they collide, and a hash that withstands that would have to be seeded.
pub(crate) type Table<K, V> = HashMap<K, V, BuildHasherDefault<Fibonacci>>;

/// Fibonacci hashing.
#[derive(Default)]
pub(crate) struct Fibonacci(u64);

impl Hasher for Fibonacci {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32((*byte).into());
        }
    }

    fn write_u32(&mut self, number: u32) {
        // 2^64 divided by the golden ratio.
        self.0 = (self.0 ^ u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}
