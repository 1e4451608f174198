//! The log of `sallyport serve`, on standard error.
//!
//! It is written by a thread of its own, over a queue of bounded length: whoever reads it slowly, or not at all, costs
//! lines of it, which are counted, and no call waits.

use std::io;

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::registry::Registry as Metrics;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::Registry;
use tracing_subscriber::filter::{EnvFilter, LevelFilter, Targets};
use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::source::Colour;
use crate::traces::Traces;

/// The lines that may wait to be written. One has some 300 bytes, and at most some 4 KiB.
const QUEUE_LINES: usize = 8192;
/// What is logged unless RUST_LOG says something else: of the library that watches files, its own worries are none of
/// the reader's. The HTTP/2 library warns of every connection that breaks its rules: who can connect could fill the log.
const DEFAULT: &str = "info,notify=off,h2=error,kube_client=error";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

/// What RUST_LOG chooses, or `None` for the default.
pub(super) fn chosen() -> anyhow::Result<Option<EnvFilter>> {
    // An empty one, as a manifest's empty entry gives, would silence errors too.
    let chosen = std::env::var(EnvFilter::DEFAULT_ENV).ok().filter(|chosen| !chosen.trim().is_empty());
    chosen.map(|chosen| parse(&chosen)).transpose()
}

fn parse(chosen: &str) -> anyhow::Result<EnvFilter> {
    for part in chosen.split(',').map(str::trim).filter(|part| !part.contains(['=', '['])) {
        // A level that is misspelt would be the name of a target, and silence all others.
        if part.parse::<LevelFilter>().is_err() {
            bail!("RUST_LOG is wrong: found {part}; expected a level, such as debug, or TARGET=LEVEL");
        }
    }
    EnvFilter::try_new(chosen).context("RUST_LOG is wrong")
}

/// The log, which is written out when this is dropped, for at most a second.
pub(super) struct Log {
    dropped: ErrorCounter,
    _thread: WorkerGuard,
}

impl Log {
    /// Starts the log.
    pub(super) fn start(format: LogFormat, filter: Option<EnvFilter>, traces: Option<&Traces>) -> Self {
        let filter = filter.unwrap_or_else(|| EnvFilter::new(DEFAULT));
        let builder = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(QUEUE_LINES);
        let (writer, thread) = builder.thread_name("log").finish(io::stderr());
        let dropped = writer.error_counter();
        let log = tracing_subscriber::fmt::layer().with_writer(writer).with_target(false);
        // A log that can't be written must not end what it is about: told of that, the subscriber would panic.
        let log = log.log_internal_errors(false);
        let log: Box<dyn Layer<Registry> + Send + Sync> = match format {
            LogFormat::Text => Box::new(log.with_ansi(Colour::for_stream(&io::stderr()) == Colour::On)),
            LogFormat::Json => Box::new(log.json().flatten_event(true).with_span_list(false)),
        };
        if let Some(traces) = traces {
            // What is logged and what is traced are chosen apart.
            let spans = tracing_opentelemetry::layer()
                .with_tracer(traces.tracer())
                .with_location(false)
                .with_threads(false)
                .with_target(false)
                .with_tracked_inactivity(false)
                .with_filter(Targets::new().with_target("sallyport", LevelFilter::INFO));
            tracing_subscriber::registry().with(log.with_filter(filter)).with(spans).init();
        } else {
            tracing_subscriber::registry().with(log).with(filter).init();
        }
        Self { dropped, _thread: thread }
    }

    /// Adds what is counted to a registry.
    pub(super) fn register(&self, registry: &mut Metrics) {
        registry.register_collector(Box::new(Dropped(self.dropped.clone())));
    }
}

#[derive(Debug)]
struct Dropped(ErrorCounter);

impl Collector for Dropped {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let count = ConstCounter::new(u64::try_from(self.0.dropped_lines()).unwrap_or(u64::MAX));
        let help = "Lines of the log that were lost because standard error is read too slowly";
        count.encode(encoder.encode_descriptor("log_lines_dropped", help, None, MetricType::Counter)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_level_is_none() {
        for right in ["debug", "OFF", "info,sallyport=trace", "[admission]=debug", "sallyport=debug, warn"] {
            assert!(parse(right).is_ok(), "{right}");
        }
        for wrong in ["inof", "sallyport", "sallyport=loud", "debug,,inof"] {
            let said = format!("{:#}", parse(wrong).unwrap_err());
            assert!(said.starts_with("RUST_LOG is wrong: "), "{wrong}: {said}");
        }
    }
}
