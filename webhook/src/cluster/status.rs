//! What is said of each policy in its `status`, and in an Event where that changes.

use std::collections::BTreeMap;

use anyhow::Context as _;
use futures_util::{StreamExt as _, stream};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::runtime::events::{Event, EventType, Recorder};
use kube::{Api, Client};
use sallyport_admission::{NotHonoured, PolicySet};
use sallyport_policy::{ConditionStatus, Diagnostic, Severity, StatusCondition};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::FIELD_MANAGER;
use super::attach::Standing;
use super::mirror::Key;
use super::policies::{Followed, Kind, Policies};
use crate::policies::Said;

/// As much of a message is written: the API server takes 32 KiB, and nobody reads more than this.
const MESSAGE: usize = 4096;
/// And as much in an Event, which takes 1 KiB.
const NOTE: usize = 1000;
/// Statuses that are written at a time.
const AT_ONCE: usize = 8;

/// What statuses tell of beside the policies themselves.
pub(super) struct Known<'k> {
    /// What has become of TrafficPolicies in the mesh.
    pub(super) standing: &'k BTreeMap<Key, Standing>,
    /// Until when Sallyport is paused, and why.
    pub(super) paused: Option<&'k str>,
}

/// Writes the statuses that are not as they should be.
///
/// # Errors
/// The API server refuses one; the others are written.
pub(super) async fn tell(
    client: &Client,
    recorder: &Recorder,
    policies: &Policies,
    known: &Known<'_>,
    now: i64,
) -> anyhow::Result<()> {
    let seen = policies.seen().borrow().clone();
    let set = &policies.current().set;
    let outdated = seen.policies.iter().filter_map(|((kind, key), followed)| {
        let findings = match kind {
            Kind::WorkloadPolicy => vec![accepted(followed, known.paused)],
            Kind::PolicyException => vec![honoured(key, followed, set, now)],
            Kind::TrafficPolicy => {
                let standing = known.standing.get(key).into_iter();
                let attached =
                    standing.flat_map(|it| [("Attached", it.attachment()), ("Conflicted", it.conflict())]);
                std::iter::once(accepted(followed, None))
                    .chain(attached.map(|(type_, (holds, reason, message))| Finding {
                        type_,
                        holds,
                        reason,
                        message: cut(message, MESSAGE),
                        is_trouble: holds == (type_ == "Conflicted"),
                    }))
                    .collect()
            }
        };
        let outdated = outdated(followed, findings, now)?;
        Some(say(
            client.clone(),
            recorder.clone(),
            *kind,
            key.clone(),
            reference(*kind, key, followed),
            outdated,
        ))
    });
    // Owned, so that no borrow is held while they are written.
    let outdated: Vec<_> = outdated.collect();
    let told: Vec<anyhow::Result<()>> = stream::iter(outdated).buffer_unordered(AT_ONCE).collect().await;
    told.into_iter().collect()
}

/// Writes one status, and an Event where it has turned.
async fn say(
    client: Client,
    recorder: Recorder,
    kind: Kind,
    key: Key,
    about: ObjectReference,
    Outdated { status, turned }: Outdated,
) -> anyhow::Result<()> {
    write(&client, kind, &key, &status)
        .await
        .with_context(|| format!("the status of {} {} can't be written", kind.resource().kind, key.name))?;
    for finding in turned {
        // An Event that is lost changes nothing: the status says the same.
        let _ = recorder.publish(&event(finding), &about).await;
    }
    Ok(())
}

async fn write(client: &Client, kind: Kind, key: &Key, status: &Value) -> kube::Result<()> {
    let resource = kind.resource();
    let api: Api<DynamicObject> = if key.namespace.is_empty() {
        Api::all_with(client.clone(), &resource)
    } else {
        Api::namespaced_with(client.clone(), &key.namespace, &resource)
    };
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    match api.patch_status(&key.name, &params, &Patch::Merge(json!({ "status": status }))).await {
        // It is gone meanwhile, and needs none.
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        other => other.map(drop),
    }
}

/// A policy whose status says something else than it should.
struct Outdated {
    status: Value,
    /// What has turned for the better or for the worse, so that somebody should hear of it.
    turned: Vec<Finding>,
}

/// The Event about a condition that has turned.
fn event(finding: Finding) -> Event {
    Event {
        type_: if finding.is_trouble { EventType::Warning } else { EventType::Normal },
        reason: finding.reason.to_owned(),
        note: Some(cut(finding.message, NOTE)),
        action: if finding.type_ == "Accepted" || finding.type_ == "Honoured" { "Compile" } else { "Attach" }
            .to_owned(),
        secondary: None,
    }
}

fn reference(kind: Kind, key: &Key, followed: &Followed) -> ObjectReference {
    let resource = kind.resource();
    ObjectReference {
        api_version: Some(resource.api_version),
        kind: Some(resource.kind),
        name: Some(key.name.clone()),
        namespace: Some(key.namespace.clone()).filter(|namespace| !namespace.is_empty()),
        uid: followed.uid.clone(),
        ..ObjectReference::default()
    }
}

/// What its status should say, where it says something else.
fn outdated(followed: &Followed, findings: Vec<Finding>, now: i64) -> Option<Outdated> {
    let said = followed.status["conditions"].as_array().cloned().unwrap_or_default();
    let mut conditions: Vec<StatusCondition> =
        said.into_iter().filter_map(|condition| serde_json::from_value(condition).ok()).collect();
    let mut changed = followed.status["observedGeneration"].as_i64() != followed.generation;
    let mut turned = Vec::new();
    for finding in findings {
        let status = if finding.holds { ConditionStatus::True } else { ConditionStatus::False };
        let before = conditions.iter().position(|condition| condition.type_ == finding.type_);
        let before = before.map(|at| conditions.remove(at));
        let since = before
            .as_ref()
            .filter(|before| before.status == status)
            .map(|before| before.last_transition_time.clone());
        let condition = StatusCondition {
            type_: finding.type_.to_owned(),
            status,
            observed_generation: followed.generation,
            last_transition_time: since.or_else(|| rfc3339(now))?,
            reason: finding.reason.to_owned(),
            message: finding.message.clone(),
        };
        changed |= before.as_ref() != Some(&condition);
        if before.map_or(finding.is_trouble, |before| before.status != status) {
            turned.push(finding);
        }
        conditions.push(condition);
    }
    // A merge patch replaces the list whole: the conditions of others stay in it.
    let status = json!({ "observedGeneration": followed.generation, "conditions": conditions });
    changed.then_some(Outdated { status, turned })
}

fn rfc3339(seconds: i64) -> Option<String> {
    OffsetDateTime::from_unix_timestamp(seconds).ok()?.format(&Rfc3339).ok()
}

/// A condition.
struct Finding {
    type_: &'static str,
    holds: bool,
    /// In one word, for programs.
    reason: &'static str,
    message: String,
    /// Whether somebody should do something about it.
    is_trouble: bool,
}

impl Finding {
    /// One that should hold.
    fn good(type_: &'static str, holds: bool, reason: &'static str, message: String) -> Self {
        Self { type_, holds, reason, message: cut(message, MESSAGE), is_trouble: !holds }
    }
}

fn accepted(followed: &Followed, paused: Option<&str>) -> Finding {
    let of = |severity| {
        let found = followed.latest.findings.iter().filter(move |found| found.severity == severity);
        found.map(line).collect::<Vec<_>>()
    };
    let (errors, warnings) = (of(Severity::Error), of(Severity::Warning));
    if followed.latest.said.is_some() {
        if let Some(told) = paused {
            let message =
                format!("the policy is right, but Sallyport is paused: nothing is asked about {told}");
            return Finding::good("Accepted", true, "Paused", message);
        }
        let message = match warnings.as_slice() {
            [] => "the policy is right and in force".to_owned(),
            warnings => format!("the policy is right and in force; doubtful:\n{}", warnings.join("\n")),
        };
        return Finding::good("Accepted", true, "InForce", message);
    }
    let still = match followed.in_force.as_ref().and_then(|current| current.generation) {
        Some(generation) => {
            format!("generation {generation} of it stays in force, until a replica starts anew")
        }
        None => "nothing of it is in force".to_owned(),
    };
    let message = format!("the policy is wrong, and {still}:\n{}", errors.join("\n"));
    Finding::good("Accepted", false, "Invalid", message)
}

fn honoured(key: &Key, followed: &Followed, set: &PolicySet, now: i64) -> Finding {
    let Some(Said::Exception(exception)) = followed.latest.said.as_ref() else {
        let errors: Vec<String> = followed.latest.findings.iter().map(line).collect();
        return Finding::good("Honoured", false, "Invalid", errors.join("\n"));
    };
    let mut refused = Vec::new();
    let mut first = None;
    for name in exception.policies() {
        let policy = set.policies().iter().find(|policy| policy.name() == name);
        let honoured =
            policy.map_or(Err(NotHonoured::UnknownPolicy), |policy| exception.honoured_by(policy, now));
        if let Err(reason) = honoured {
            let why = match policy {
                None => "there is no such WorkloadPolicy".to_owned(),
                Some(_) => reason.to_string(),
            };
            refused.push(format!("{name}: {why}"));
            first.get_or_insert(reason);
        }
    }
    match first {
        None => {
            let message = format!("objects of namespace {} that it matches may pass", key.namespace);
            Finding::good("Honoured", true, "InForce", message)
        }
        Some(reason) => Finding::good("Honoured", false, word(reason), refused.join("\n")),
    }
}

const fn word(reason: NotHonoured) -> &'static str {
    match reason {
        NotHonoured::UnknownPolicy => "UnknownPolicy",
        NotHonoured::NamespaceNotListed => "NamespaceNotListed",
        NotHonoured::TooLong => "TooLong",
        NotHonoured::Expired => "Expired",
    }
}

fn line(found: &Diagnostic) -> String {
    format!("{}: {}", found.path, found.message)
}

fn cut(mut message: String, most: usize) -> String {
    if message.len() > most {
        let end = (0..=most).rev().find(|at| message.is_char_boundary(*at)).unwrap_or_default();
        message.truncate(end);
        message.push('…');
    }
    message
}
