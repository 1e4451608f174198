//! Registers webhooks with a control plane, as their configurations in a cluster do.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use kube::Error;
use serde_json::{Value, json};

use crate::control_plane::ControlPlane;

/// Long enough for any machine: it ends a test that hangs, and decides none.
const HANGS: Duration = Duration::from_secs(60);

/// Whoever is in this group is not shown to mutating webhooks: so a test sees what an object is without them.
pub const UNSEEN: &str = "sallyport-tests:unseen";

/// A server that the API server can be told to call.
pub trait Server {
    /// Where it listens.
    fn address(&self) -> SocketAddr;

    /// The authority of its certificate, in PEM.
    fn ca_pem(&self) -> &str;

    /// Whether it was called at this path yet.
    ///
    /// # Errors
    /// When it cannot be asked.
    fn was_called(&self, path: &str) -> impl Future<Output = Result<bool>>;
}

/// The label that puts a namespace, or one of Sallyport's own resources, before the webhook of this name.
#[must_use]
pub fn label(name: &str) -> String {
    format!("sallyport-tests/{name}")
}

/// Has the API server call `server` at `/mutate` for what is created and changed in namespaces labelled
/// [`label`]`(name)`, and waits until it does. Webhooks are called in the order of their names.
///
/// `namespace` is one of those namespaces.
///
/// # Errors
/// When the configuration is refused or has no effect.
pub async fn mutating(
    cluster: &ControlPlane,
    name: &str,
    server: &impl Server,
    namespace: &str,
) -> Result<()> {
    let mut webhook = webhook(name, server, "/mutate", &workloads());
    webhook["reinvocationPolicy"] = json!("IfNeeded");
    webhook["namespaceSelector"] = selector(name);
    webhook["matchConditions"] =
        json!([{ "name": "seen", "expression": format!("!('{UNSEEN}' in request.userInfo.groups)") }]);
    let probe = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": "probe", "namespace": namespace },
        "spec": { "containers": [{ "name": "probe", "image": "probe:1" }] },
    });
    register(cluster, "MutatingWebhookConfiguration", name, &webhook).await?;
    wait_until_called(cluster, server, "/mutate", &probe).await
}

/// What the tests complete: all that makes pods, and service accounts for a kind that doesn't.
fn workloads() -> Value {
    json!([
        { "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "scope": "Namespaced",
          "resources": ["pods", "pods/ephemeralcontainers", "pods/resize", "serviceaccounts",
                        "replicationcontrollers", "podtemplates"] },
        { "apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "scope": "Namespaced",
          "resources": ["deployments", "replicasets", "statefulsets", "daemonsets"] },
        { "apiGroups": ["batch"], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "scope": "Namespaced",
          "resources": ["jobs", "cronjobs"] },
    ])
}

/// What the tests judge.
fn everything() -> Value {
    json!([
        { "apiGroups": ["*"], "apiVersions": ["*"], "operations": ["CREATE", "UPDATE", "DELETE"],
          "scope": "Namespaced", "resources": ["*", "pods/ephemeralcontainers", "pods/resize"] },
        { "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CONNECT"], "scope": "Namespaced",
          "resources": ["pods/exec", "pods/attach", "pods/portforward"] },
    ])
}

/// Has the API server call `server` at `/validate` for what is created, changed, deleted and connected to in namespaces
/// labelled [`label`]`(name)`, and waits until it does.
///
/// `namespace` is one of those namespaces.
///
/// # Errors
/// When the configuration is refused or has no effect.
pub async fn validating(
    cluster: &ControlPlane,
    name: &str,
    server: &impl Server,
    namespace: &str,
) -> Result<()> {
    validating_at(cluster, name, server, namespace, &[("/validate", "Fail")]).await
}

/// As [`validating`], with an entry for each path and its failurePolicy.
///
/// # Errors
/// As for [`validating`].
pub async fn validating_at(
    cluster: &ControlPlane,
    name: &str,
    server: &impl Server,
    namespace: &str,
    paths: &[(&str, &str)],
) -> Result<()> {
    let everything = everything();
    let webhooks = paths.iter().map(|(path, failure_policy)| {
        let mut webhook = webhook(name, server, path, &everything);
        webhook["name"] = json!(format!("{name}.{}.tests.sallyport.dev", failure_policy.to_lowercase()));
        webhook["failurePolicy"] = json!(failure_policy);
        webhook["namespaceSelector"] = selector(name);
        webhook
    });
    let webhooks: Vec<Value> = webhooks.collect();
    let probe = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": "probe", "namespace": namespace },
        "spec": { "containers": [{ "name": "probe", "image": "probe:1" }] },
    });
    register_all(cluster, "ValidatingWebhookConfiguration", name, &webhooks).await?;
    for (path, _) in paths {
        wait_until_called(cluster, server, path, &probe).await?;
    }
    Ok(())
}

/// Has the API server call `server` at `/validate` as `shown` says, which is a webhook of a configuration without its
/// address, for namespaces labelled [`label`]`(name)`, and waits until it does.
///
/// # Errors
/// As for [`mutating`].
pub async fn validating_as(
    cluster: &ControlPlane,
    name: &str,
    server: &impl Server,
    namespace: &str,
    shown: &Value,
) -> Result<()> {
    let mut webhook = webhook(name, server, "/validate", &shown["rules"]);
    webhook["namespaceSelector"] = selector(name);
    webhook["matchConditions"] = shown["matchConditions"].clone();
    let probe = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": "probe", "namespace": namespace },
        "spec": { "containers": [{ "name": "probe", "image": "probe:1" }] },
    });
    register(cluster, "ValidatingWebhookConfiguration", name, &webhook).await?;
    wait_until_called(cluster, server, "/validate", &probe).await
}

/// Has the API server call `server` at `/validate-policies` for Sallyport's own resources that are labelled
/// [`label`]`(name)`, and waits until it does.
///
/// # Errors
/// As for [`mutating`].
pub async fn checking(cluster: &ControlPlane, name: &str, server: &impl Server) -> Result<()> {
    let own = json!([
        { "apiGroups": ["sallyport.dev"], "apiVersions": ["*"], "operations": ["CREATE", "UPDATE"], "scope": "*",
          "resources": ["*"] },
    ]);
    let mut webhook = webhook(name, server, "/validate-policies", &own);
    webhook["objectSelector"] = selector(name);
    let probe = json!({
        "apiVersion": "sallyport.dev/v1alpha1",
        "kind": "WorkloadPolicy",
        "metadata": { "name": "probe", "labels": { label(name): "" } },
        "spec": { "match": { "kinds": ["Pod"] } },
    });
    register(cluster, "ValidatingWebhookConfiguration", name, &webhook).await?;
    wait_until_called(cluster, server, "/validate-policies", &probe).await
}

fn selector(name: &str) -> Value {
    json!({ "matchExpressions": [{ "key": label(name), "operator": "Exists" }] })
}

fn webhook(name: &str, server: &impl Server, path: &str, rules: &Value) -> Value {
    json!({
        "name": format!("{name}.tests.sallyport.dev"),
        "clientConfig": {
            "url": format!("https://{}{path}", server.address()),
            "caBundle": BASE64.encode(server.ca_pem()),
        },
        "rules": rules,
        "matchPolicy": "Equivalent",
        "sideEffects": "None",
        "failurePolicy": "Fail",
        "timeoutSeconds": 30,
        "admissionReviewVersions": ["v1"],
    })
}

async fn register(cluster: &ControlPlane, kind: &str, name: &str, webhook: &Value) -> Result<()> {
    register_all(cluster, kind, name, std::slice::from_ref(webhook)).await
}

async fn register_all(cluster: &ControlPlane, kind: &str, name: &str, webhooks: &[Value]) -> Result<()> {
    let configuration = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": { "name": name },
        "webhooks": webhooks,
    });
    cluster.objects().apply(&configuration).await?;
    Ok(())
}

/// The API server follows the configurations by a watch, so a new one counts only after a moment. From the first call
/// on it counts for all.
async fn wait_until_called(
    cluster: &ControlPlane,
    server: &impl Server,
    path: &str,
    probe: &Value,
) -> Result<()> {
    let objects = cluster.objects();
    let start = Instant::now();
    loop {
        let answer = objects.dry_run_create(probe).await;
        if server.was_called(path).await? {
            return Ok(());
        }
        match answer {
            Ok(_) | Err(Error::Api(_)) => {}
            Err(error) => return Err(error.into()),
        }
        if start.elapsed() > HANGS {
            bail!("{} is registered and not called", server.address());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    /// What rules send: group, resource and operation.
    fn sent(rules: &Value) -> BTreeSet<(String, String, String)> {
        let texts = |rule: &Value, field: &str| -> Vec<String> {
            let texts = rule[field].as_array().expect("a list").iter();
            texts.map(|text| text.as_str().expect("a text").to_owned()).collect()
        };
        let mut sent = BTreeSet::new();
        for rule in rules.as_array().expect("rules") {
            for group in texts(rule, "apiGroups") {
                for resource in texts(rule, "resources") {
                    for operation in texts(rule, "operations") {
                        sent.insert((group.clone(), resource.clone(), operation));
                    }
                }
            }
        }
        sent
    }

    /// The rules of one webhook that docs/serving.md shows.
    fn documented(webhook: &str) -> Value {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/serving.md");
        let page = fs::read_to_string(page).expect("the page");
        let block =
            page.split("```yaml\n").find(|block| block.contains("CA_BUNDLE")).expect("a configuration");
        let block = block.split("```").next().unwrap_or_default();
        let configurations: Vec<Value> = serde_saphyr::from_multiple(block).expect("YAML");
        let webhooks = configurations.iter().flat_map(|c| c["webhooks"].as_array().expect("webhooks"));
        let found = webhooks.into_iter().find(|entry| entry["name"] == webhook);
        found.unwrap_or_else(|| panic!("no {webhook}"))["rules"].clone()
    }

    #[test]
    fn what_the_documents_have_sent_is_what_the_tests_have_sent_of_pods_and_of_what_makes_them() {
        let tested = sent(&workloads());
        let completed = sent(&documented("mutate.sallyport.dev"));
        assert!(completed.is_subset(&tested), "{:?}", completed.difference(&tested));
        // Service accounts are there for a kind that makes no pods.
        let want: BTreeSet<_> =
            tested.into_iter().filter(|(_, resource, _)| resource != "serviceaccounts").collect();
        // Statuses and bindings are judged, and there is nothing to complete in them.
        let (beside, judged): (BTreeSet<_>, BTreeSet<_>) = sent(&documented("validate.sallyport.dev"))
            .into_iter()
            .partition(|(_, resource, _)| resource.ends_with("/status") || resource.contains("binding"));
        assert_eq!(judged, want);
        let statuses = beside.iter().filter(|(_, resource, _)| resource.ends_with("/status"));
        let with_status: BTreeSet<&str> =
            statuses.map(|(_, resource, _)| resource.trim_end_matches("/status")).collect();
        let made = want.iter().map(|(_, resource, _)| resource.as_str());
        assert_eq!(with_status, made.filter(|it| !it.contains('/') && *it != "podtemplates").collect());
    }
}
