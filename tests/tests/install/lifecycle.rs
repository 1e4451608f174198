//! Installed, upgraded, removed and installed again, with Helm.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use sallyport_tests::control_plane::ControlPlane;
use sallyport_tests::eventually::eventually;
use sallyport_tests::examples::{manifests, read_folder};
use sallyport_tests::run_dir::RunDir;
use serde_json::{Value, json};

use crate::controllers::Controllers;
use crate::started::Started;
use crate::{chart, established, helm, kustomized, of_kind, rendered};

/// Runs helm against this cluster.
fn run(cluster: &ControlPlane, args: &[&str]) -> Result<()> {
    let kubeconfig = cluster.kubeconfig().display().to_string();
    let output = helm(&[args, &["--namespace", "sallyport", "--kubeconfig", &kubeconfig]].concat())?;
    ensure!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

fn named(api_version: &str, kind: &str, name: &str) -> Value {
    json!({ "apiVersion": api_version, "kind": kind, "metadata": { "name": name } })
}

fn registrations() -> [Value; 2] {
    ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"]
        .map(|kind| named("admissionregistration.k8s.io/v1", kind, "sallyport"))
}

/// A copy of the chart in which TrafficPolicies have another short name.
fn newer(dir: &RunDir) -> Result<String> {
    let copy = dir.path().join("chart");
    let copied = std::process::Command::new("cp").arg("-rL").arg(chart()).arg(&copy).status()?;
    ensure!(copied.success(), "{copied}");
    let file = copy.join("files/crds/sallyport.dev_trafficpolicies.yaml");
    let text = fs::read_to_string(&file)?;
    let changed = text.replace("    shortNames:\n    - tp\n", "    shortNames:\n    - newer\n");
    ensure!(changed != text, "the definition looks different");
    fs::write(&file, changed)?;
    Ok(copy.display().to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_outlive_upgrades_and_removals_and_the_registration_does_not() -> Result<()> {
    let cluster = ControlPlane::start().await?;
    let _controllers = Controllers::start(&cluster)?;
    let objects = cluster.objects();
    let chart = chart().display().to_string();
    run(&cluster, &["install", "sallyport", &chart, "--create-namespace"])?;
    let definitions = read_folder(&manifests().join("crds"))?;
    for definition in &definitions {
        established(&objects, definition).await?;
    }
    let policy = objects.create(&policy()).await?;
    let stays = async || -> Result<()> {
        let found = objects.get(&policy).await?;
        ensure!(found["metadata"]["uid"] == policy["metadata"]["uid"], "it is another: {found}");
        Ok(())
    };

    // A replica registers, as soon as there is one behind the Service.
    let replica = Started::start(&cluster, &rendered(&[])?).await?;
    objects.create(&ready()).await?;
    for registration in &registrations() {
        let made = eventually("it is registered", async || objects.get(registration).await.ok()).await?;
        ensure!(made["metadata"]["ownerReferences"][0]["name"] == "sallyport", "{made}");
    }

    let dir = RunDir::create()?;
    run(&cluster, &["upgrade", "sallyport", &newer(&dir)?])?;
    let definition =
        named("apiextensions.k8s.io/v1", "CustomResourceDefinition", "trafficpolicies.sallyport.dev");
    let upgraded = objects.get(&definition).await?;
    ensure!(upgraded["spec"]["names"]["shortNames"] == json!(["newer"]), "{}", upgraded["spec"]["names"]);
    stays().await?;
    run(&cluster, &["upgrade", "sallyport", &chart, "--set", "crds.enabled=false"])?;
    stays().await?;

    // Nobody can call it, so that nothing of what it is asked about could be created: that has to end.
    run(&cluster, &["uninstall", "sallyport"])?;
    for registration in &registrations() {
        eventually("it is registered no more", async || {
            objects.get(registration).await.is_err().then_some(())
        })
        .await?;
    }
    stays().await?;
    // The replica still runs, and would like to register again.
    let in_vain = |line: &Value| line.to_string().contains("is forbidden").then_some(());
    replica.log().find(in_vain).await?;
    replica.end();
    for registration in &registrations() {
        ensure!(objects.get(registration).await.is_err(), "it is registered again");
    }

    run(&cluster, &["install", "sallyport", &chart])?;
    stays().await
}

#[tokio::test(flavor = "multi_thread")]
async fn helm_takes_over_what_kustomize_has_installed() -> Result<()> {
    let cluster = ControlPlane::start().await?;
    let objects = cluster.objects();
    let base = kustomized("base")?;
    for object in &base {
        objects.apply(object).await?;
    }
    run(&cluster, &["install", "sallyport", &chart().display().to_string(), "--take-ownership"])?;
    let deployment = objects.get(of_kind(&base, "Deployment")?).await?;
    assert_eq!(deployment["metadata"]["labels"]["app.kubernetes.io/managed-by"], "Helm");
    Ok(())
}

fn policy() -> Value {
    let mut policy = named("sallyport.dev/v1alpha1", "WorkloadPolicy", "team");
    policy["spec"] = json!({
        "match": { "kinds": ["Pod"] },
        "mutate": [{ "name": "label", "metadata": { "labels": { "team": "shop" } } }],
    });
    policy
}

/// What a controller would write once a replica is ready.
fn ready() -> Value {
    let mut slice = named("discovery.k8s.io/v1", "EndpointSlice", "sallyport-1");
    slice["metadata"]["namespace"] = json!("sallyport");
    slice["metadata"]["labels"] = json!({ "kubernetes.io/service-name": "sallyport" });
    slice["addressType"] = json!("IPv4");
    slice["endpoints"] = json!([{ "addresses": ["192.0.2.1"], "conditions": { "ready": true } }]);
    slice["ports"] = json!([{ "name": "https-webhook", "port": 8443 }]);
    slice
}

#[tokio::test(flavor = "multi_thread")]
async fn owners_of_namespaces_write_traffic_policies_and_let_nobody_off() -> Result<()> {
    let cluster = ControlPlane::start().await?;
    let _controllers = Controllers::start(&cluster)?;
    let objects = cluster.objects();
    run(&cluster, &["install", "sallyport", &chart().display().to_string(), "--create-namespace"])?;
    for (role, verbs, others) in [
        ("view", ["get", "watch"], "create"),
        ("edit", ["create", "get"], "never"),
        ("admin", ["create", "get"], "never"),
    ] {
        let role = named("rbac.authorization.k8s.io/v1", "ClusterRole", role);
        let rules = eventually("it has Sallyport's rules", async || {
            let found = objects.get(&role).await.ok()?;
            let rules = found["rules"].as_array()?.clone();
            let allows = |verb: &&str| rules.iter().any(|rule| allows(rule, "trafficpolicies", verb));
            verbs.iter().all(allows).then_some(rules)
        })
        .await
        .context(role.to_string())?;
        let any = |resource: &str, verb: &str| rules.iter().any(|rule| allows(rule, resource, verb));
        ensure!(!any("trafficpolicies", others), "{role} may {others} TrafficPolicies");
        ensure!(!any("workloadpolicies", "create"), "{role} may create WorkloadPolicies");
        for verb in ["get", "create", "update", "patch"] {
            ensure!(!any("policyexceptions", verb), "{role} may {verb} PolicyExceptions");
        }
    }
    Ok(())
}

fn allows(rule: &Value, resource: &str, verb: &str) -> bool {
    let has = |list: &str, wanted: &str| {
        rule[list].as_array().into_iter().flatten().any(|item| item == wanted || item == "*")
    };
    has("apiGroups", "sallyport.dev") && has("resources", resource) && has("verbs", verb)
}
