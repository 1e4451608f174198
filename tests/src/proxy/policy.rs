//! TrafficPolicies as tests write them.

use anyhow::{Context as _, Result, ensure};
use sallyport_attach::Plugin;
use sallyport_policy::Severity;
use sallyport_traffic::check;
use sallyport_traffic::program::PolicyName;
use serde_json::Value;

/// The TrafficPolicies among the documents of a YAML stream, in their order.
///
/// # Errors
/// When it can't be read, or when something is wrong with a policy.
pub fn policies(yaml: &str) -> Result<Vec<Plugin>> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(yaml)?;
    let policies = documents.into_iter().filter(|document| document["kind"] == "TrafficPolicy");
    policies.map(policy).collect()
}

fn policy(mut document: Value) -> Result<Plugin> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let metadata = &document["metadata"];
    let policy = PolicyName {
        namespace: text(&metadata["namespace"]).context("a policy has no namespace")?,
        name: text(&metadata["name"]).context("a policy has no name")?,
    };
    let spec = serde_json::from_value(document["spec"].take())?;
    let errors: Vec<String> = check(&spec)
        .into_iter()
        .filter(|found| found.severity == Severity::Error)
        .map(|found| found.to_string())
        .collect();
    ensure!(errors.is_empty(), "{}/{}: {}", policy.namespace, policy.name, errors.join("; "));
    Ok(Plugin { policy, spec })
}
