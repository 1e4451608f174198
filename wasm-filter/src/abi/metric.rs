//! Metrics, which Envoy keeps for all workers together and shows as its own.

use sallyport_traffic::host::HostError;

use super::imports;
use super::status::Status;

/// A number that only grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counter(u32);

/// A number that is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gauge(u32);

/// Values of which the distribution is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Histogram(u32);

impl Counter {
    /// The counter of that name, which all who name it share.
    pub(crate) fn define(name: &str) -> Result<Self, HostError> {
        define(0, name).map(Self)
    }

    /// Counts one more.
    pub(crate) fn increment(self) -> Result<(), HostError> {
        Status(imports::proxy_increment_metric(self.0, 1)).of("count")
    }
}

impl Gauge {
    /// The gauge of that name, which all who name it share.
    pub(crate) fn define(name: &str) -> Result<Self, HostError> {
        define(1, name).map(Self)
    }

    /// Sets it.
    pub(crate) fn set(self, value: u64) -> Result<(), HostError> {
        Status(imports::proxy_record_metric(self.0, value)).of("set a gauge")
    }
}

impl Histogram {
    /// The histogram of that name, which all who name it share.
    pub(crate) fn define(name: &str) -> Result<Self, HostError> {
        define(2, name).map(Self)
    }

    /// Adds a value.
    pub(crate) fn record(self, value: u64) -> Result<(), HostError> {
        Status(imports::proxy_record_metric(self.0, value)).of("record a value")
    }
}

fn define(kind: u32, name: &str) -> Result<u32, HostError> {
    let mut metric = 0;
    // SAFETY: the name is a slice, which the proxy only reads; the last pointer is to a variable of our own, that nothing
    // else refers to.
    let status = unsafe { imports::proxy_define_metric(kind, name.as_ptr(), name.len(), &raw mut metric) };
    Status(status).of("define a metric").map(|()| metric)
}
