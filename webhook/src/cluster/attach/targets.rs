//! What TrafficPolicies name as their targets.

use anyhow::Context as _;
use kube::api::{ApiResource, DynamicObject};
use kube::{Api, Client};
use sallyport_attach::Plugin;
use sallyport_traffic::{TargetKind, TargetRef};
use serde_json::Value;

/// The objects that a policy names, in the order in which it does; `None` for those that are not there, and for those that
/// need not be looked at.
///
/// # Errors
/// One can't be read.
pub(super) async fn find(client: &Client, plugin: &Plugin) -> anyhow::Result<Vec<Option<Value>>> {
    let mut found = Vec::new();
    for TargetRef { kind, name } in &plugin.spec.target_refs {
        let Some(resource) = resource(*kind) else {
            found.push(None);
            continue;
        };
        let api: Api<DynamicObject> =
            Api::namespaced_with(client.clone(), &plugin.policy.namespace, &resource);
        let object = api.get_opt(name).await;
        let object = object.with_context(|| format!("{} {name} can't be read", resource.kind))?;
        found.push(object.map(serde_json::to_value).transpose()?);
    }
    Ok(found)
}

fn resource(kind: TargetKind) -> Option<ApiResource> {
    let (group, kind, plural) = match kind {
        // Its pods are known by its name alone.
        TargetKind::Gateway => return None,
        TargetKind::Service => ("", "Service", "services"),
        TargetKind::Deployment => ("apps", "Deployment", "deployments"),
        TargetKind::StatefulSet => ("apps", "StatefulSet", "statefulsets"),
        TargetKind::DaemonSet => ("apps", "DaemonSet", "daemonsets"),
    };
    Some(ApiResource {
        group: group.to_owned(),
        version: "v1".to_owned(),
        api_version: if group.is_empty() { "v1".to_owned() } else { format!("{group}/v1") },
        kind: kind.to_owned(),
        plural: plural.to_owned(),
    })
}
