//! What an API server serves.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResourceList;
use kube::Client;
use sallyport_admission::GroupVersionKind;
use sallyport_admission::registration::Served;

/// What each group and version serves.
pub(super) type Known = BTreeMap<String, APIResourceList>;

/// All resources of all groups and versions, each once. Of an API whose server is away, what it was last known to serve.
pub(super) async fn discover(client: &Client, known: &mut Known) -> kube::Result<Vec<Served>> {
    let mut lists = Vec::new();
    for version in client.list_core_api_versions().await?.versions {
        lists.push(client.list_core_api_resources(&version).await?);
    }
    for group in client.list_api_groups().await?.groups {
        // The preferred version comes first.
        for version in group.versions {
            match client.list_api_group_resources(&version.group_version).await {
                Ok(list) => {
                    known.insert(version.group_version, list.clone());
                    lists.push(list);
                }
                // An aggregated API whose server is away must not hold up all others.
                Err(error) => {
                    tracing::warn!(api = version.group_version, %error, "what it serves can't be read");
                    lists.extend(known.get(&version.group_version).cloned());
                }
            }
        }
    }
    let mut seen = BTreeSet::new();
    let mut served: Vec<Served> = lists.iter().flat_map(of_list).collect();
    served.retain(|one| seen.insert((one.group.clone(), one.resource.clone())));
    Ok(served)
}

fn of_list(list: &APIResourceList) -> impl Iterator<Item = Served> {
    let (group, version) = list.group_version.rsplit_once('/').unwrap_or(("", &list.group_version));
    list.resources.iter().map(move |resource| {
        let or = |own: &Option<String>, other: &str| {
            own.clone().filter(|own| !own.is_empty()).unwrap_or_else(|| other.to_owned())
        };
        Served {
            group: group.to_owned(),
            resource: resource.name.clone(),
            kind: GroupVersionKind {
                group: or(&resource.group, group),
                version: or(&resource.version, version),
                kind: resource.kind.clone(),
            },
            verbs: resource.verbs.clone(),
        }
    })
}
