//! Labels of the filter's metrics.

use serde_json::{Value, json};

/// What the filter's metrics are labelled with.
const LABELS: [&str; 7] = ["limit", "outcome", "policy", "provider", "reason", "rule", "verdict"];

/// The filter writes labels into the names of its metrics, each as `;label=value`: Envoy takes them out again
/// (envoy.config.metrics.v3.TagSpecifier: the first group is taken out of the name, the second is the value).
pub(super) fn render() -> Value {
    let tags = LABELS.map(|label| json!({ "tag_name": label, "regex": format!("(;{label}=([^;]*))") }));
    json!({ "stats_tags": tags })
}
