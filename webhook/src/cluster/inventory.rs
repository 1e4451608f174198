//! What a cluster holds, read once and changed in nothing.

use std::collections::BTreeSet;

use anyhow::Context as _;
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::{Api, Client};
use sallyport_admission::registration::{Call, Served, registration};
use sallyport_admission::resources::FailurePolicy;
use sallyport_admission::{GroupVersionKind, Operation, PodBearing, PolicySet};
use serde_json::Value;

use super::discovery::{Known, discover};
use super::policies::KINDS;

/// Objects that are asked for at a time.
const PAGE: u32 = 500;

/// The policies of a cluster, and its namespaces.
pub(crate) async fn policies(client: &Client) -> anyhow::Result<Vec<Value>> {
    let mut found = Vec::new();
    for kind in KINDS {
        found.extend(list(client, &kind.resource()).await?);
    }
    Ok(found)
}

/// The objects that these policies may be about, and the namespaces. Of what a controller has made, the controller.
pub(crate) async fn objects(client: &Client, set: &PolicySet) -> anyhow::Result<Vec<Value>> {
    let served =
        discover(client, &mut Known::new()).await.context("what the API server serves can't be read")?;
    let mut asked = asked(set, &served);
    if asked.contains(&(String::new(), "pods".to_owned())) {
        // Their pods are what policies are about.
        let controllers =
            served.iter().filter(|one| PodBearing::of(&one.kind).is_some() && !one.resource.contains('/'));
        asked.extend(controllers.map(|one| (one.group.clone(), one.resource.clone())));
    }
    let is_asked = |one: &&Served| {
        asked.contains(&(one.group.clone(), one.resource.clone()))
            && one.verbs.iter().any(|verb| verb == "list")
    };
    let namespaces = ApiResource {
        group: String::new(),
        version: "v1".to_owned(),
        api_version: "v1".to_owned(),
        kind: "Namespace".to_owned(),
        plural: "namespaces".to_owned(),
    };
    let mut found = list(client, &namespaces).await?;
    for one in served.iter().filter(is_asked).filter(|one| one.kind.kind != "Namespace") {
        let GroupVersionKind { group, version, kind } = one.kind.clone();
        let api_version = if group.is_empty() { version.clone() } else { format!("{group}/{version}") };
        let resource = ApiResource { group, version, api_version, kind, plural: one.resource.clone() };
        found.extend(list(client, &resource).await?.into_iter().filter(|object| !is_made(object)));
    }
    Ok(found)
}

/// The resources that the API server would have to ask about when one is created.
fn asked(set: &PolicySet, served: &[Served]) -> BTreeSet<(String, String)> {
    let calls = [Call::Mutate, Call::Validate];
    let shares = [FailurePolicy::Fail, FailurePolicy::Ignore];
    let all = calls.into_iter().flat_map(|call| shares.map(|share| registration(set, call, share, served)));
    let rules = all.flat_map(|registration| registration.rules);
    let created = rules.filter(|rule| rule.operations.contains(&Operation::Create));
    created
        .flat_map(|rule| rule.resources.into_iter().map(move |resource| (rule.group.clone(), resource)))
        .collect()
}

/// Whether a controller has made it that is judged by itself.
fn is_made(object: &Value) -> bool {
    let owners = object.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    owners.into_iter().flatten().filter(|owner| owner["controller"] == true).any(|owner| {
        let text = |field: &str| owner[field].as_str().unwrap_or_default();
        let (group, version) = text("apiVersion").rsplit_once('/').unwrap_or(("", text("apiVersion")));
        PodBearing::of(&GroupVersionKind {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: text("kind").to_owned(),
        })
        .is_some()
    })
}

async fn list(client: &Client, resource: &ApiResource) -> anyhow::Result<Vec<Value>> {
    let api: Api<DynamicObject> = Api::all_with(client.clone(), resource);
    let mut how = ListParams::default().limit(PAGE);
    let mut found = Vec::new();
    loop {
        let page = api.list(&how).await.with_context(|| format!("{} can't be read", resource.plural))?;
        for object in page.items {
            let mut object = serde_json::to_value(object)?;
            // A list leaves them out of its items.
            object["apiVersion"] = resource.api_version.clone().into();
            object["kind"] = resource.kind.clone().into();
            found.push(object);
        }
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => how = how.continue_token(&token),
            None => return Ok(found),
        }
    }
}
