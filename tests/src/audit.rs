//! What the API server records: who did what with pods, with the annotations of webhooks, and with what Sallyport is about.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

/// The policy's file, in the folder that the server runs in.
pub(crate) const POLICY: &str = "audit-policy.json";
/// The log's file, there too.
pub(crate) const LOG: &str = "audit.log";

/// Writes the policy: who did what, without the objects.
pub(crate) fn write_policy(folder: &Path) -> Result<()> {
    let recorded = json!([
        { "group": "", "resources": ["configmaps", "pods", "namespaces", "secrets", "services"] },
        { "group": "admissionregistration.k8s.io" },
        { "group": "apps" },
        { "group": "coordination.k8s.io" },
        { "group": "events.k8s.io" },
        { "group": "extensions.istio.io" },
        { "group": "networking.istio.io" },
        { "group": "rbac.authorization.k8s.io" },
        { "group": "sallyport.dev" },
    ]);
    let policy = json!({
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [{ "level": "Metadata", "resources": recorded }, { "level": "None" }],
    });
    fs::write(folder.join(POLICY), policy.to_string()).context("cannot write the audit policy")
}

/// A verb on a resource of a group.
pub type Deed = (String, String, String);

/// What one whom the API server takes for this user did, or was not let do.
pub(crate) fn deeds(folder: &Path, user: &str, allowed: bool) -> Result<BTreeSet<Deed>> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let deed = |event: &Value| {
        let about = &event["objectRef"];
        let (resource, part) = (text(&about["resource"]), text(&about["subresource"]));
        let resource = if part.is_empty() { resource } else { format!("{resource}/{part}") };
        (text(&about["apiGroup"]), resource, text(&event["verb"]))
    };
    let events = events(folder)?.into_iter().filter(|event| event["impersonatedUser"]["username"] == user);
    let events = events.filter(|event| (event["responseStatus"]["code"] != 403) == allowed);
    Ok(events.map(|event| deed(&event)).collect())
}

/// The events about the pod of this name, the oldest first.
pub(crate) fn events_of(folder: &Path, pod: &str) -> Result<Vec<Value>> {
    Ok(events(folder)?.into_iter().filter(|event| event["objectRef"]["name"] == pod).collect())
}

fn events(folder: &Path) -> Result<Vec<Value>> {
    let log = fs::read_to_string(folder.join(LOG)).context("cannot read the API server's audit log")?;
    // Whoever else is being answered may be writing the last line.
    let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
    Ok(whole.lines().map(serde_json::from_str::<Value>).collect::<Result<Vec<_>, _>>()?)
}
