//! Memory that the proxy writes into.

use std::alloc::{Layout, alloc};
use std::ptr::null_mut;

/// Gives the proxy memory for what it returns. Null, which the proxy takes for a failure of its call, if there is none
/// left.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    match Layout::array::<u8>(size) {
        // SAFETY: the layout has a size.
        Ok(layout) if size > 0 => unsafe { alloc(layout) },
        _ => null_mut(),
    }
}

/// Where the proxy says what it returns.
pub(super) struct Returned {
    pub(super) data: *mut u8,
    pub(super) size: usize,
}

impl Returned {
    pub(super) const fn nothing() -> Self {
        Self { data: null_mut(), size: 0 }
    }

    /// Takes over what the proxy returned.
    ///
    /// # Safety
    /// Both fields are as [`nothing`](Self::nothing) made them or as one host call left them, whose status was OK.
    pub(super) unsafe fn take(self) -> Vec<u8> {
        if self.data.is_null() || self.size == 0 {
            return Vec::new();
        }
        // SAFETY: the proxy has allocated these bytes by `proxy_on_memory_allocate`, with the global allocator and the
        // layout of so many bytes; it has written all of them, and keeps no pointer to them (ABI 0.2.1, Memory
        // ownership).
        unsafe { Vec::from_raw_parts(self.data, self.size, self.size) }
    }
}
