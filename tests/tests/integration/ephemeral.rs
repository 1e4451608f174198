//! `kubectl debug`: of a running pod, only the ephemeral containers that are new are changed.

use anyhow::Result;
use serde_json::{Value, json};

use crate::updates::Running;

const POLICY: &str = r#"
apiVersion: sallyport.dev/v1alpha1
kind: WorkloadPolicy
metadata: {name: debugging}
spec:
  match: {kinds: [Pod]}
  mutate:
  - name: restricted
    containers: {types: [ephemeral]}
    securityContext:
      pod: {runAsNonRoot: true}
      container: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
  - name: environment
    containers: {types: [container, ephemeral]}
    env: [{name: TEAM, value: platform}]
"#;

#[tokio::test]
async fn only_new_ephemeral_containers_are_changed() -> Result<()> {
    let running = Running::start("ephemeral", POLICY).await?;
    let objects = running.cluster.objects();
    // Made out of our sight: as if the policy were newer than the pod.
    let mut pod = running.unseen().create(&running.pod("web")).await?;
    pod["spec"]["ephemeralContainers"] = json!([{ "name": "old", "image": "debug:1" }]);
    let mut pod = running.unseen().replace(&pod, Some("ephemeralcontainers")).await?;
    let before = pod.clone();
    let list = pod["spec"]["ephemeralContainers"].as_array_mut().unwrap();
    list.push(json!({ "name": "new", "image": "debug:1", "targetContainerName": "web" }));
    let after = objects.replace(&pod, Some("ephemeralcontainers")).await?;

    assert_eq!(after["spec"]["ephemeralContainers"][0], before["spec"]["ephemeralContainers"][0]);
    let new = &after["spec"]["ephemeralContainers"][1];
    assert_eq!(
        new["securityContext"],
        json!({
            "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] },
        })
    );
    assert_eq!(new["env"], json!([{ "name": "TEAM", "value": "platform" }]));
    let mut rest = after["spec"].clone();
    rest["ephemeralContainers"] = before["spec"]["ephemeralContainers"].clone();
    assert_eq!(rest, before["spec"]);
    assert_eq!(after["spec"]["containers"][0]["env"], Value::Null);
    Ok(())
}
