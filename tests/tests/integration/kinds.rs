//! The kinds that a policy can name without a group are those that a real API server has.

use anyhow::{Result, ensure};
use sallyport_admission::Policy;
use sallyport_admission::resources::WorkloadPolicySpec;
use sallyport_tests::control_plane::ControlPlane;
use serde_json::json;

#[tokio::test]
async fn no_kind_that_the_api_server_has_is_doubted() -> Result<()> {
    let client = ControlPlane::shared().await.client();
    let mut kinds = Vec::new();
    for resource in client.list_core_api_resources("v1").await?.resources {
        kinds.push(resource.kind);
    }
    for group in client.list_api_groups().await?.groups.into_iter().filter(|group| is_built_in(&group.name)) {
        for version in group.versions {
            let resources = client.list_api_group_resources(&version.group_version).await?.resources;
            kinds.extend(resources.into_iter().map(|resource| resource.kind));
        }
    }
    kinds.sort();
    kinds.dedup();
    ensure!(kinds.len() >= 60, "only {kinds:?}");
    for kind in kinds {
        let spec: WorkloadPolicySpec = serde_json::from_value(json!({
            "match": { "kinds": [kind] },
            "mutate": [{ "name": "tier", "metadata": { "labels": { "tier": "web" } } }],
        }))?;
        let (_, found) = Policy::compile("kinds", &spec);
        let doubted = found.iter().any(|finding| finding.message.contains("has no kind"));
        ensure!(!doubted, "{found:?}");
    }
    Ok(())
}

/// Kubernetes' own groups have no dot, or end in `.k8s.io`; a test beside this one may have installed others.
fn is_built_in(group: &str) -> bool {
    !group.contains('.') || group.ends_with(".k8s.io")
}
