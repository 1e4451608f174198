//! The process as Prometheus' client libraries describe one: `process_*`, from /proc.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Bytes of a page, and clock ticks of a second. Both are the kernel's interface to user space on the platforms that
/// are built for (x86-64, and arm64 with 4 KiB pages).
const PAGE_BYTES: f64 = 4096.0;
const TICKS: f64 = 100.0;

type Number = Gauge<f64, AtomicU64>;
type Sum = Counter<f64, AtomicU64>;

/// Numbers that are read when they are shown.
#[derive(Clone, Default)]
pub(crate) struct Process {
    resident: Number,
    virtual_memory: Number,
    cpu: Sum,
    open_files: Number,
    most_files: Number,
}

impl Process {
    pub(crate) fn new(registry: &mut Registry) -> Self {
        let process = Self::default();
        let start = Number::default();
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        start.set(since.as_secs_f64());
        for (name, help, gauge) in [
            ("process_resident_memory_bytes", "Resident memory", &process.resident),
            ("process_virtual_memory_bytes", "Virtual memory", &process.virtual_memory),
            ("process_open_fds", "Open file descriptors", &process.open_files),
            ("process_max_fds", "File descriptors that may be open", &process.most_files),
            ("process_start_time_seconds", "When the process began, in Unix time", &start),
        ] {
            registry.register(name, help, gauge.clone());
        }
        registry.register("process_cpu_seconds", "Processor time, of user and system", process.cpu.clone());
        process
    }

    /// Reads all of them anew. What cannot be read stays as it was.
    pub(crate) fn read(&self) {
        let read = |name: &str| std::fs::read_to_string(format!("/proc/self/{name}")).unwrap_or_default();
        let number = |text: Option<&str>| text.and_then(|text| text.parse::<f64>().ok());
        let statm = read("statm");
        let mut pages = statm.split_whitespace();
        for gauge in [&self.virtual_memory, &self.resident] {
            if let Some(pages) = number(pages.next()) {
                gauge.set(pages * PAGE_BYTES);
            }
        }
        // The name of the program, in brackets, may hold anything; utime and stime are the 12th and 13th after it.
        let stat = read("stat");
        let mut times = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11);
        if let (Some(user), Some(system)) = (number(times.next()), number(times.next())) {
            self.cpu.inner().store(((user + system) / TICKS).to_bits(), Ordering::Relaxed);
        }
        if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
            // One of them is this listing.
            self.open_files
                .set(f64::from(u32::try_from(files.count().saturating_sub(1)).unwrap_or(u32::MAX)));
        }
        let limits = read("limits");
        let files = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
        if let Some(most) = number(files.and_then(|line| line.split_whitespace().next())) {
            self.most_files.set(most);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_is_described_in_plausible_numbers() {
        let process = Process::new(&mut Registry::default());
        process.read();
        assert!(process.resident.get() > 1e6 && process.resident.get() < process.virtual_memory.get());
        assert!(process.open_files.get() >= 3.0 && process.open_files.get() <= process.most_files.get());
        let held = std::fs::File::open("/proc/self/stat").unwrap();
        let begun = process.cpu.get();
        let mut sum = 0_u64;
        while process.cpu.get() <= begun {
            sum = (0..1_000_000).fold(sum, |sum, n| sum.wrapping_mul(31) ^ n);
            process.read();
        }
        drop(held);
        assert!(process.cpu.get() < 1e6);
    }
}
