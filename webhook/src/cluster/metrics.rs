//! What the leader counts of its work.

use std::collections::BTreeMap;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use serde_json::Value;

use crate::policies::{Hash, hash_of};

/// The leader's metrics. Of a replica that does not lead they stand still, and `leading` is 0.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics {
    pub(super) leading: Gauge,
    pub(super) paused_until: Gauge,
    failures: Family<Part, Counter>,
    restored: Family<Kind, Counter>,
}

/// A part of what is done in a pass.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Part {
    part: &'static str,
}

/// A kind of object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: String,
}

const PARTS: [&str; 4] = ["certificates", "registration", "attachments", "statuses"];

impl Metrics {
    /// Adds them to a registry.
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "leading",
            "1 while this replica does what must be done once",
            self.leading.clone(),
        );
        registry.register(
            "paused_until_seconds",
            "Until when nothing is registered, in Unix seconds, as the leader knows it; 0: nothing is paused",
            self.paused_until.clone(),
        );
        registry.register(
            "pass_failures",
            "Parts of the leader's passes that failed: what stands in the cluster is not as it should be",
            self.failures.clone(),
        );
        registry.register(
            "restored",
            "Objects that somebody else had changed or removed, and that were put right",
            self.restored.clone(),
        );
        // So that a first failure is seen as one more than none.
        for part in PARTS {
            drop(self.failures.get_or_create(&Part { part }));
        }
    }

    /// A part of a pass, counted where it failed.
    pub(super) fn part<T>(&self, part: &'static str, done: anyhow::Result<T>) -> anyhow::Result<T> {
        if done.is_err() {
            self.failures.get_or_create(&Part { part }).inc();
        }
        done
    }

    /// An object of this kind was put right.
    pub(super) fn restored(&self, kind: &str) {
        self.restored.get_or_create(&Kind { kind: kind.to_owned() }).inc();
    }
}

/// What was written last, so that a change of what is wanted is told from one that somebody made.
#[derive(Debug, Default)]
pub(super) struct Written(BTreeMap<String, Hash>);

impl Written {
    /// What was written is taken away.
    pub(super) fn forget(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// Notes what is wanted of an object; whether the same was written before.
    pub(super) fn again(&mut self, name: &str, wanted: &Value) -> bool {
        let wanted = hash_of(wanted);
        self.0.insert(name.to_owned(), wanted) == Some(wanted)
    }
}
