//! Time and chance.

use std::sync::atomic::{AtomicU64, Ordering};

use super::imports;

/// WASI's CLOCK_MONOTONIC: nanoseconds since some start that all workers of a proxy share.
///
/// Should the clock fail, it stands still: the last time that was read is given again.
pub(crate) fn monotonic() -> u64 {
    const MONOTONIC: u32 = 1;
    static LAST: AtomicU64 = AtomicU64::new(0);
    let mut time = 0;
    // SAFETY: the pointer is to a variable of our own, that nothing else refers to.
    let error = unsafe { imports::clock_time_get(MONOTONIC, 1, &raw mut time) };
    if error != 0 {
        return LAST.load(Ordering::Relaxed);
    }
    LAST.store(time, Ordering::Relaxed);
    time
}

/// Nanoseconds since 1970-01-01T00:00:00Z, without leap seconds. The end of time should the clock fail, so that no token
/// is good then.
pub(crate) fn wall() -> u64 {
    let mut time = 0;
    // SAFETY: the pointer is to a variable of our own, that nothing else refers to.
    let status = unsafe { imports::proxy_get_current_time_nanoseconds(&raw mut time) };
    if status == 0 { time } else { u64::MAX }
}

/// Fills the bytes with what nobody can foresee; whether that went well.
pub(crate) fn random(bytes: &mut [u8]) -> bool {
    // SAFETY: the pointer and size are those of a slice that is ours alone.
    let error = unsafe { imports::random_get(bytes.as_mut_ptr(), bytes.len()) };
    error == 0
}
