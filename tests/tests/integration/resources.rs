//! Offline, a kind's resource and scope are what the API server's discovery says.

use anyhow::{Context as _, Result, ensure};
use sallyport_admission::GroupVersionKind;
use sallyport_tests::control_plane::ControlPlane;
use serde_json::Value;

#[tokio::test]
async fn kinds_have_the_resource_and_the_scope_that_the_api_server_says() -> Result<()> {
    let client = ControlPlane::shared().await.client();
    let get = async |path: &str| -> Result<Value> {
        let request = http::Request::get(path).body(Vec::new())?;
        client.request(request).await.with_context(|| path.to_owned())
    };
    let groups = get("/apis").await?;
    let versions = groups["groups"].as_array().into_iter().flatten().filter(|group| {
        let name = group["name"].as_str().unwrap_or_default();
        // What other tests define is called as they like.
        !name.contains('.') || name.ends_with(".k8s.io")
    });
    let versions = versions.flat_map(|group| group["versions"].as_array().into_iter().flatten());
    let mut lists = vec!["/api/v1".to_owned()];
    lists.extend(versions.filter_map(|version| Some(format!("/apis/{}", version["groupVersion"].as_str()?))));
    let mut compared = 0;
    for list in lists {
        let list = get(&list).await?;
        for resource in list["resources"].as_array().into_iter().flatten() {
            let name = resource["name"].as_str().unwrap_or_default();
            if name.contains('/') {
                continue;
            }
            let object = serde_json::json!({"apiVersion": list["groupVersion"], "kind": resource["kind"]});
            let kind = GroupVersionKind::of(&object);
            ensure!(kind.resource().resource == name, "{kind:?} is {name}");
            ensure!(
                resource["namespaced"] != kind.is_cluster_scoped(),
                "{kind:?}: {}",
                resource["namespaced"]
            );
            compared += 1;
        }
    }
    ensure!(compared > 50, "only {compared} resources are served");
    Ok(())
}
