//! What the API server's own audit log says of what the webhook decided.

use anyhow::{Context as _, Result, ensure};
use kube::Error;
use serde_json::{Map, Value, json};

use crate::installed::{NAME, admitted, example, examples};

/// The annotations of the one call about the pod of this name.
async fn annotations(pod: &str) -> Result<Map<String, Value>> {
    let events = examples().await?.audited(pod)?;
    let [event] = events.as_slice() else { anyhow::bail!("not one event of {pod}: {events:?}") };
    event["annotations"].as_object().cloned().with_context(|| format!("no annotations in {event}"))
}

/// The key that the API server makes of a webhook's name and an annotation's.
fn key(webhook: &str, annotation: &str) -> String {
    format!("{webhook}.tests.sallyport.dev/{annotation}")
}

#[tokio::test]
async fn a_denial_names_its_entries_and_quotes_no_secret() -> Result<()> {
    let mut pod = example("mita")?.pod("mita-worker-low-priority")?;
    pod["metadata"]["name"] = json!("audited-denial");
    pod["metadata"]["labels"]["tier"] = json!("lowest");
    pod["spec"]["containers"][0]["securityContext"] = json!({ "runAsUser": 0 });
    pod["spec"]["hostNetwork"] = json!(true);
    pod["spec"]["containers"][0]["image"] = json!("4111111111111111/worker:1");
    let answer = examples().await?.objects().dry_run_create(&pod).await;
    ensure!(matches!(&answer, Err(Error::Api(status)) if status.code == 403), "{answer:?}");

    let annotations = annotations("audited-denial").await?;
    let denied = |entry: &str| annotations.get(&key(&format!("{NAME}.fail"), &format!("denied.{entry}")));
    let tier = denied("mita-worker-tiers.tier-known").context("the tier is not on record")?;
    ensure!(tier.as_str().is_some_and(|said| said.contains("must be high, regular or low")), "{tier}");
    let restricted = denied("mita-hardening.restricted").context("the standard is not on record")?;
    ensure!(restricted.as_str().is_some_and(|said| said.contains("spec.hostNetwork")), "{restricted}");
    // Every entry that the message names is on record: the API server takes no key amiss.
    let Err(Error::Api(status)) = answer else { unreachable!("it was looked at above") };
    let (_, said) = status.message.split_once("denied the request: ").context("no reason was given")?;
    for line in said.lines().filter(|line| !line.starts_with(' ')) {
        let Some((entry, _)) = line.split_once(": ").filter(|(entry, _)| entry.contains('/')) else {
            continue;
        };
        ensure!(denied(&entry.replace('/', ".")).is_some(), "{entry} is not on record: {annotations:?}");
    }
    ensure!(!json!(annotations).to_string().contains("4111111111111111"), "{annotations:?}");
    Ok(())
}

#[tokio::test]
async fn a_change_is_on_record_with_the_fields_it_set() -> Result<()> {
    let mut pod = example("mita")?.pod("mita")?;
    pod["metadata"]["name"] = json!("audited-change");
    admitted(&pod).await?;
    let annotations = annotations("audited-change").await?;
    let prefix = key(NAME, "mita-hardening.");
    let set = annotations.iter().find(|(key, _)| key.starts_with(&prefix));
    let (_, fields) = set.with_context(|| format!("no change is on record: {annotations:?}"))?;
    ensure!(fields.as_str().is_some_and(|fields| fields.contains("spec")), "{fields}");
    Ok(())
}
