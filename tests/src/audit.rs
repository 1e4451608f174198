//! What the API server records of pods: its audit log, which holds the annotations of webhooks.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

/// The policy's file, in the folder that the server runs in.
pub(crate) const POLICY: &str = "audit-policy.json";
/// The log's file, there too.
pub(crate) const LOG: &str = "audit.log";

/// Writes the policy: who did what with pods, without the pods.
pub(crate) fn write_policy(folder: &Path) -> Result<()> {
    let pods = json!([{ "group": "", "resources": ["pods"] }]);
    let policy = json!({
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [{ "level": "Metadata", "resources": pods }, { "level": "None" }],
    });
    fs::write(folder.join(POLICY), policy.to_string()).context("cannot write the audit policy")
}

/// The events about the pod of this name, the oldest first.
pub(crate) fn events_of(folder: &Path, pod: &str) -> Result<Vec<Value>> {
    let log = fs::read_to_string(folder.join(LOG)).context("cannot read the API server's audit log")?;
    // Whoever else is being answered may be writing the last line.
    let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let events = whole.lines().map(serde_json::from_str::<Value>).collect::<Result<Vec<_>, _>>()?;
    Ok(events.into_iter().filter(|event| event["objectRef"]["name"] == pod).collect())
}
