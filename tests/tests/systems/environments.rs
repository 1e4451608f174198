//! Other environments of a system: the same files, and nothing that they share.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::tree::Tree;

/// Nothing of one environment is another's: not its namespace, its hosts, its buckets, its queues or its secrets.
#[test]
fn p9_environments_share_nothing() -> Result<()> {
    for (system, other, word) in [
        ("mita", "mita-staging", "production"),
        ("media-platform", "media-platform-staging", "production"),
        ("media-platform", "media-platform-development", "production"),
    ] {
        let (production, other) = (Tree::named(system)?, Tree::named(other)?);
        ensure!(production.namespace()? != other.namespace()?, "{}", other.name);
        // Policies for pods are the cluster's, and name every namespace.
        for object in other.objects.iter().filter(|it| it["kind"] != "WorkloadPolicy") {
            let text = object.to_string();
            ensure!(!text.contains(word), "{}: {text}", other.name);
        }
        let hosts = |tree: &Tree| -> BTreeSet<String> {
            let gateways = tree.of("Gateway").filter_map(|it| it["spec"]["servers"].as_array()).flatten();
            let of_gateways =
                gateways.filter_map(|it| it["hosts"].as_array()).flatten().map(Value::to_string);
            let ingresses = tree.of("Ingress").filter_map(|it| it["spec"]["rules"].as_array()).flatten();
            of_gateways.chain(ingresses.map(|it| it["host"].to_string())).collect()
        };
        let (ours, theirs) = (hosts(production), hosts(other));
        ensure!(!ours.is_empty() && ours.is_disjoint(&theirs), "{ours:?} {theirs:?}");
        for policy in production.of("WorkloadPolicy") {
            let named = policy["spec"]["match"]["namespaces"].as_array().context("no namespaces")?;
            ensure!(named.contains(&json!(other.namespace()?)), "{}", policy["metadata"]["name"]);
        }
    }
    Ok(())
}
