//! The proxy's functions. Pointers are valid for the call only; what the proxy gives back, it has allocated with
//! `proxy_on_memory_allocate` and left to us.

use std::alloc::{Layout, alloc};
use std::ptr::null_mut;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    // Nothing but numbers: no memory is at stake.
    safe fn proxy_increment_metric(metric: u32, offset: i64) -> u32;

    fn proxy_log(level: u32, message: *const u8, size: usize) -> u32;
    fn proxy_get_log_level(level: *mut u32) -> u32;
    fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
    fn proxy_get_buffer_bytes(
        buffer: u32,
        start: usize,
        most: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_add_header_map_value(
        map: u32,
        name: *const u8,
        name_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;
    fn proxy_replace_header_map_value(
        map: u32,
        name: *const u8,
        name_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;
    fn proxy_remove_header_map_value(map: u32, name: *const u8, name_size: usize) -> u32;
    fn proxy_get_property(path: *const u8, path_size: usize, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_set_property(path: *const u8, path_size: usize, value: *const u8, value_size: usize) -> u32;
    fn proxy_get_shared_data(
        key: *const u8,
        key_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
        cas: *mut u32,
    ) -> u32;
    fn proxy_set_shared_data(
        key: *const u8,
        key_size: usize,
        value: *const u8,
        value_size: usize,
        cas: u32,
    ) -> u32;
    fn proxy_define_metric(kind: u32, name: *const u8, name_size: usize, metric: *mut u32) -> u32;
}

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    fn clock_time_get(clock: u32, precision: u64, time: *mut u64) -> u32;
}

/// The status of a call that did what it should.
const OK: u32 = 0;

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

/// What the proxy returned.
struct Returned {
    data: *mut u8,
    size: usize,
}

impl Returned {
    const fn nothing() -> Self {
        Self { data: null_mut(), size: 0 }
    }

    /// Takes it over.
    ///
    /// # Safety
    /// Both fields are as [`nothing`](Self::nothing) made them or as one host call left them, whose status was OK.
    unsafe fn take(self) -> Vec<u8> {
        if self.data.is_null() || self.size == 0 {
            return Vec::new();
        }
        // SAFETY: the proxy has allocated these bytes by `proxy_on_memory_allocate`, with the global allocator and the
        // layout of so many bytes; it has written all of them, and keeps no pointer to them (ABI 0.2.1, Memory
        // ownership).
        unsafe { Vec::from_raw_parts(self.data, self.size, self.size) }
    }
}

/// What a call returns into the two pointers, if its status is OK.
fn returned(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Option<Vec<u8>> {
    let mut returned = Returned::nothing();
    let status = call(&raw mut returned.data, &raw mut returned.size);
    // SAFETY: the one call that filled it in went well.
    (status == OK).then(|| unsafe { returned.take() })
}

/// The filter's configuration.
pub(crate) fn configuration(size: usize) -> Option<Vec<u8>> {
    const CONFIGURATION: u32 = 7;
    if size == 0 {
        return Some(Vec::new());
    }
    // SAFETY: the pointers are to variables that nothing else refers to.
    returned(|data, returned| unsafe { proxy_get_buffer_bytes(CONFIGURATION, 0, size, data, returned) })
}

/// Writes an error into the proxy's log.
pub(crate) fn error(text: &str) {
    const ERROR: u32 = 4;
    // SAFETY: the pointer and size are those of a slice, which the proxy only reads.
    let _ = unsafe { proxy_log(ERROR, text.as_ptr(), text.len()) };
}

pub(crate) fn clock(clock: u32) -> bool {
    let mut time = 0;
    // SAFETY: the pointer is to a variable of our own, that nothing else refers to.
    let status = unsafe { clock_time_get(clock, 1, &raw mut time) };
    status == OK
}

pub(crate) fn time() -> bool {
    let mut time = 0;
    // SAFETY: the pointer is to a variable of our own, that nothing else refers to.
    let status = unsafe { proxy_get_current_time_nanoseconds(&raw mut time) };
    status == OK
}

pub(crate) fn log_level() -> bool {
    let mut level = 0;
    // SAFETY: the pointer is to a variable of our own, that nothing else refers to.
    let status = unsafe { proxy_get_log_level(&raw mut level) };
    status == OK
}

pub(crate) fn pairs(map: u32) -> bool {
    // SAFETY: the pointers are to variables that nothing else refers to.
    returned(|data, size| unsafe { proxy_get_header_map_pairs(map, data, size) }).is_some()
}

pub(crate) fn add(map: u32, name: &[u8], value: &[u8]) -> bool {
    let (name, name_size, value, value_size) = (name.as_ptr(), name.len(), value.as_ptr(), value.len());
    // SAFETY: the pointers and sizes are those of slices, which the proxy only reads.
    let status = unsafe { proxy_add_header_map_value(map, name, name_size, value, value_size) };
    status == OK
}

pub(crate) fn replace(map: u32, name: &[u8], value: &[u8]) -> bool {
    let (name, name_size, value, value_size) = (name.as_ptr(), name.len(), value.as_ptr(), value.len());
    // SAFETY: the pointers and sizes are those of slices, which the proxy only reads.
    let status = unsafe { proxy_replace_header_map_value(map, name, name_size, value, value_size) };
    status == OK
}

pub(crate) fn remove(map: u32, name: &[u8]) -> bool {
    // SAFETY: the pointer and size are those of a slice, which the proxy only reads.
    let status = unsafe { proxy_remove_header_map_value(map, name.as_ptr(), name.len()) };
    status == OK
}

pub(crate) fn property(path: &[u8]) -> bool {
    // SAFETY: the path is a slice, which the proxy only reads; the other pointers are to variables that nothing else
    // refers to.
    returned(|data, size| unsafe { proxy_get_property(path.as_ptr(), path.len(), data, size) }).is_some()
}

pub(crate) fn set_property(name: &[u8], value: &[u8]) -> bool {
    // SAFETY: the pointers and sizes are those of slices, which the proxy only reads.
    let status = unsafe { proxy_set_property(name.as_ptr(), name.len(), value.as_ptr(), value.len()) };
    status == OK
}

/// How many bytes the value has that all workers share.
pub(crate) fn read(key: &[u8]) -> Option<usize> {
    let mut version = 0;
    let version = &raw mut version;
    // SAFETY: the key is a slice, which the proxy only reads; the other pointers are to variables that nothing else
    // refers to.
    returned(|data, size| unsafe { proxy_get_shared_data(key.as_ptr(), key.len(), data, size, version) })
        .map(|value| value.len())
}

/// Writes it, whatever stands there: that it is compared first changes nothing of the cost.
pub(crate) fn write(key: &[u8], value: &[u8]) -> bool {
    const ANY_VERSION: u32 = 0;
    // SAFETY: the pointers and sizes are those of slices, which the proxy only reads.
    let status =
        unsafe { proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), ANY_VERSION) };
    status == OK
}

/// The counter of that name.
pub(crate) fn define_counter(name: &str) -> Option<u32> {
    const COUNTER: u32 = 0;
    let mut metric = 0;
    // SAFETY: the name is a slice, which the proxy only reads; the last pointer is to a variable of our own, that nothing
    // else refers to.
    let status = unsafe { proxy_define_metric(COUNTER, name.as_ptr(), name.len(), &raw mut metric) };
    (status == OK).then_some(metric)
}

pub(crate) fn increment_metric(counter: u32, offset: i64) -> bool {
    proxy_increment_metric(counter, offset) == OK
}
