//! `RateLimitRequest`.

use sallyport_policy::Duration;
use sha2::{Digest as _, Sha256};

use super::DOMAIN;
use super::wire::{write_bytes, write_number};

/// The unit of time of a limit: `envoy.type.v3.RateLimitUnit`, and by the same numbers
/// `RateLimitResponse.RateLimit.Unit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Unit {
    /// A second.
    Second = 1,
    /// A minute.
    Minute = 2,
    /// An hour.
    Hour = 3,
    /// A day.
    Day = 4,
}

impl Unit {
    /// The unit that a period is one of.
    #[must_use]
    pub const fn of(period: Duration) -> Option<Self> {
        match period.as_millis() {
            1_000 => Some(Self::Second),
            60_000 => Some(Self::Minute),
            3_600_000 => Some(Self::Hour),
            86_400_000 => Some(Self::Day),
            _ => None,
        }
    }
}

/// A limit that a service counts, and what of it: `RateLimitDescriptor`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// The policy's namespace and name, with a `/` between.
    pub policy: String,
    /// The limit's name.
    pub limit: String,
    /// How many requests in each unit.
    pub requests: u32,
    /// The unit.
    pub unit: Unit,
    /// What all proxies know this key by.
    pub key: GlobalKey,
}

/// What requests that share a limit have in common, known by the same name to all proxies: the first half of a SHA-256
/// digest of the parts of the limit's key. The service and its store see neither addresses nor claims, and no key is
/// another's because of a separator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GlobalKey([u8; 16]);

impl GlobalKey {
    /// The key with these parts, each told from the next.
    #[must_use]
    pub fn new<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut digest = Sha256::new();
        for part in parts {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        let digest: [u8; 32] = digest.finalize().into();
        let mut key = [0; 16];
        for (byte, of) in key.iter_mut().zip(digest) {
            *byte = of;
        }
        Self(key)
    }

    fn hex(self) -> String {
        const DIGITS: [char; 16] =
            ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
        let nibbles = self.0.into_iter().flat_map(|byte| [byte >> 4, byte & 15]);
        nibbles.filter_map(|nibble| DIGITS.get(usize::from(nibble))).collect()
    }
}

/// The request for so many hits of a limit, as `RateLimitRequest`. The hits are `hits_addend` of the whole request,
/// which every version of the service counts; that of a descriptor is younger, and one that does not know it would count
/// 1.
#[must_use]
pub fn encode(descriptor: &Descriptor, hits: u32) -> Vec<u8> {
    let mut limit = Vec::new();
    write_number(&mut limit, 1, descriptor.requests.into());
    write_number(&mut limit, 2, descriptor.unit as u64);

    let mut inner = Vec::new();
    let key = descriptor.key.hex();
    for (name, value) in [("policy", &descriptor.policy), ("limit", &descriptor.limit), ("key", &key)] {
        let mut entry = Vec::new();
        write_bytes(&mut entry, 1, name.as_bytes());
        write_bytes(&mut entry, 2, value.as_bytes());
        write_bytes(&mut inner, 1, &entry);
    }
    write_bytes(&mut inner, 2, &limit);

    let mut request = Vec::with_capacity(inner.len() + 24);
    write_bytes(&mut request, 1, DOMAIN.as_bytes());
    write_bytes(&mut request, 2, &inner);
    write_number(&mut request, 3, hits.into());
    request
}
