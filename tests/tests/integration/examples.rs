//! What each line of the five guides asks of an admission webhook, on the example's own pods through the API server.
//!
//! The tables in `manifests/examples/REQUIREMENTS.md` name these tests.

use anyhow::{Context as _, Result};
use sallyport_tests::webhook::at;
use serde_json::{Value, json};

use crate::installed::{admitted, example, examples, pod};

/// The container of this name, of whatever type.
#[track_caller]
fn container<'p>(pod: &'p Value, name: &str) -> &'p Value {
    let all = containers(pod).into_iter();
    all.into_iter().find(|it| it["name"] == name).unwrap_or_else(|| panic!("no container {name} in {pod}"))
}

fn containers(pod: &Value) -> Vec<&Value> {
    let lists = ["initContainers", "containers"].map(|list| pod["spec"][list].as_array());
    lists.into_iter().flatten().flatten().collect()
}

#[track_caller]
fn names<'p>(pod: &'p Value, list: &str) -> Vec<&'p str> {
    pod["spec"][list].as_array().into_iter().flatten().filter_map(|it| it["name"].as_str()).collect()
}

fn resources(requests: [&str; 2], limits: [&str; 2]) -> Value {
    json!({
        "requests": { "cpu": requests[0], "memory": requests[1] },
        "limits": { "cpu": limits[0], "memory": limits[1] },
    })
}

/// What is mounted in a container at a path: the pod's volume.
#[track_caller]
fn mounted<'p>(pod: &'p Value, of: &str, path: &str) -> &'p Value {
    let mounts = container(pod, of)["volumeMounts"].as_array().into_iter().flatten();
    let mount = mounts.into_iter().find(|it| it["mountPath"] == path);
    let mount = mount.unwrap_or_else(|| panic!("nothing is mounted at {path} in {of}"));
    let volumes = pod["spec"]["volumes"].as_array().into_iter().flatten();
    volumes.into_iter().find(|it| it["name"] == mount["name"]).unwrap_or(&Value::Null)
}

/// Every container, sidecars and init containers among them, drops all capabilities and gains none.
#[track_caller]
fn drops_all(pod: &Value, read_only_root: bool) {
    for container in containers(pod) {
        let context = &container["securityContext"];
        assert_eq!(at(context, "/capabilities/drop"), &json!(["ALL"]), "{container}");
        assert_eq!(context["allowPrivilegeEscalation"], false, "{container}");
        if read_only_root {
            assert_eq!(context["readOnlyRootFilesystem"], true, "{container}");
        }
    }
}

#[track_caller]
fn runs_as(pod: &Value, user: u32) {
    let context = &pod["spec"]["securityContext"];
    assert_eq!(context["runAsNonRoot"], true, "{context}");
    assert_eq!(context["runAsUser"], user, "{context}");
    assert_eq!(context["seccompProfile"], json!({ "type": "RuntimeDefault" }), "{context}");
    for container in containers(pod) {
        assert_eq!(at(container, "/securityContext/runAsUser"), &Value::Null, "{container}");
    }
}

#[tokio::test]
async fn m1_every_pod_runs_restricted_as_1000() -> Result<()> {
    let pods = example("mita")?.pods()?;
    assert_eq!(pods.len(), 9);
    for written in pods {
        let pod = admitted(&written).await?;
        runs_as(&pod, 1000);
        assert_eq!(pod["spec"]["securityContext"]["runAsGroup"], 1000);
        drops_all(&pod, false);
    }
    Ok(())
}

#[tokio::test]
async fn m2_three_worker_tiers_get_their_resources() -> Result<()> {
    for (tier, requests, limits) in [
        ("high", ["1", "1Gi"], ["2", "2Gi"]),
        ("regular", ["500m", "512Mi"], ["1", "1Gi"]),
        ("low", ["100m", "128Mi"], ["250m", "256Mi"]),
    ] {
        let workload = if tier == "regular" {
            "mita-worker-regular".into()
        } else {
            format!("mita-worker-{tier}-priority")
        };
        let pod = pod("mita", &workload).await?;
        assert_eq!(container(&pod, "worker")["resources"], resources(requests, limits), "{tier}");
        let spot = json!({ "key": "spot", "operator": "Equal", "value": "true", "effect": "NoSchedule" });
        let tolerates = pod["spec"]["tolerations"].as_array().is_some_and(|it| it.contains(&spot));
        assert_eq!(tolerates, tier == "low", "{tier}");
        let nodes = at(&pod, "/spec/nodeSelector/eks.amazonaws.com~1capacityType");
        assert_eq!(nodes == "SPOT", tier == "low", "{tier}");
    }
    Ok(())
}

#[tokio::test]
async fn m2_a_tier_that_states_its_own_resources_keeps_them() -> Result<()> {
    let mut written = example("mita")?.pod("mita-worker-low-priority")?;
    written["spec"]["containers"][0]["resources"] = json!({ "requests": { "cpu": "50m" } });
    let pod = admitted(&written).await?;
    assert_eq!(container(&pod, "worker")["resources"], resources(["50m", "128Mi"], ["250m", "256Mi"]));
    Ok(())
}

#[tokio::test]
async fn m3_each_account_has_its_own_role_and_no_token_unless_asked() -> Result<()> {
    let objects = examples().await?.objects();
    let mut roles = Vec::new();
    for account in example("mita")?.workloads()?.iter().filter(|it| it["kind"] == "ServiceAccount") {
        let name = account["metadata"]["name"].as_str().context("a name")?.to_owned();
        let stored = objects.get(account).await?;
        roles.push((name, at(&stored, "/metadata/annotations/eks.amazonaws.com~1role-arn").clone()));
    }
    roles.sort_by(|a, b| a.0.cmp(&b.0));
    let role = |name: &str| json!(format!("arn:aws:iam::111122223333:role/{name}-role"));
    let want = [
        ("mita", role("mita-app")),
        ("mita-backup", role("mita-backup")),
        ("mita-external-secrets", role("mita-external-secrets")),
        ("mita-monitoring", Value::Null),
    ];
    assert_eq!(roles, want.map(|(name, role)| (name.to_owned(), role)));

    for (workload, token) in [("mita", false), ("mita-backup", false), ("mita-secret-rotation", true)] {
        let pod = pod("mita", workload).await?;
        assert_eq!(pod["spec"]["automountServiceAccountToken"], token, "{workload}");
        let volumes = names(&pod, "volumes");
        assert_eq!(
            volumes.iter().any(|it| it.starts_with("kube-api-access-")),
            token,
            "{workload}: {volumes:?}"
        );
        for container in containers(&pod) {
            let mounts = container["volumeMounts"].as_array().into_iter().flatten();
            let tokens =
                mounts.filter(|it| it["mountPath"] == "/var/run/secrets/kubernetes.io/serviceaccount");
            assert_eq!(tokens.count(), usize::from(token), "{workload}: {container}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn m6_cronjobs_are_hardened_and_finish_beside_a_sidecar() -> Result<()> {
    let example = example("mita")?;
    let cronjobs: Vec<Value> =
        example.workloads()?.into_iter().filter(|object| object["kind"] == "CronJob").collect();
    assert_eq!(cronjobs.len(), 4);
    for cronjob in cronjobs {
        let name = cronjob["metadata"]["name"].as_str().context("a name")?;
        let pod = admitted(&example.pod(name)?).await?;
        runs_as(&pod, 1000);
        drops_all(&pod, false);
        // The kubelet stops an init container that keeps running once the only other one has ended (KEP-753).
        assert_eq!(names(&pod, "initContainers"), ["log-shipper"], "{name}");
        assert_eq!(container(&pod, "log-shipper")["restartPolicy"], "Always");
        assert_eq!(names(&pod, "containers").len(), 1, "{name}");
        // What the job writes, the shipper reads.
        let job = names(&pod, "containers")[0];
        let logs = mounted(&pod, job, "/var/log/mita");
        assert_eq!(logs["emptyDir"], json!({ "sizeLimit": "256Mi" }), "{name}");
        assert_eq!(logs, mounted(&pod, "log-shipper", "/var/log/mita"));
    }
    Ok(())
}

#[tokio::test]
async fn f1_read_only_root_with_writable_volumes() -> Result<()> {
    let pod = pod("financial-planning", "financial-planning-api").await?;
    runs_as(&pod, 1001);
    assert_eq!(pod["spec"]["securityContext"]["runAsGroup"], 1001);
    assert_eq!(pod["spec"]["securityContext"]["fsGroup"], 1001);
    drops_all(&pod, true);
    for name in ["api", "log-shipper", "prepare"] {
        assert!(mounted(&pod, name, "/tmp")["emptyDir"].is_object(), "{name}");
        let logs = mounted(&pod, name, "/var/log/app");
        assert_eq!(
            (&logs["name"], &logs["emptyDir"]["sizeLimit"]),
            (&json!("app-logs"), &json!("1Gi")),
            "{name}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn f2_log_shipper_and_init_container() -> Result<()> {
    let pod = pod("financial-planning", "financial-planning-api").await?;
    assert_eq!(names(&pod, "initContainers"), ["log-shipper", "prepare"]);
    assert_eq!(names(&pod, "containers"), ["api"]);
    let shipper = container(&pod, "log-shipper");
    assert_eq!(shipper["restartPolicy"], "Always");
    assert_eq!(shipper["resources"], resources(["50m", "64Mi"], ["100m", "128Mi"]));
    let prepare = container(&pod, "prepare");
    assert_eq!(prepare["restartPolicy"], Value::Null);
    assert_eq!(prepare["resources"], resources(["100m", "256Mi"], ["500m", "512Mi"]));
    assert!(mounted(&pod, "log-shipper", "/etc/log-shipper")["configMap"].is_object());
    Ok(())
}

#[tokio::test]
async fn f3_api_resources_go_before_the_limit_range() -> Result<()> {
    let pod = pod("financial-planning", "financial-planning-api").await?;
    assert_eq!(container(&pod, "api")["resources"], resources(["500m", "1Gi"], ["2", "4Gi"]));
    // And its author's own go before both.
    let mut written = example("financial-planning")?.pod("financial-planning-api")?;
    written["spec"]["containers"][0]["resources"] = json!({ "requests": { "cpu": "750m" } });
    let pod = admitted(&written).await?;
    assert_eq!(container(&pod, "api")["resources"], resources(["750m", "1Gi"], ["2", "4Gi"]));
    Ok(())
}

#[tokio::test]
async fn f10_replicas_keep_apart() -> Result<()> {
    let pod = pod("financial-planning", "financial-planning-api").await?;
    let like_it = json!({ "matchLabels": { "app": "financial-planning-api" } });
    assert_eq!(
        at(&pod, "/spec/affinity/podAntiAffinity/preferredDuringSchedulingIgnoredDuringExecution"),
        &json!([{ "weight": 100, "podAffinityTerm": {
            "topologyKey": "kubernetes.io/hostname", "labelSelector": like_it,
        } }])
    );
    assert_eq!(
        pod["spec"]["topologySpreadConstraints"],
        json!([{
            "topologyKey": "topology.kubernetes.io/zone", "maxSkew": 1, "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": like_it,
        }])
    );
    Ok(())
}

#[tokio::test]
async fn a1_migrations_are_hardened_too() -> Result<()> {
    let pod = pod("ai-imutis", "api").await?;
    assert_eq!(names(&pod, "initContainers"), ["migrations"]);
    runs_as(&pod, 1000);
    drops_all(&pod, true);
    for name in ["migrations", "api"] {
        assert_eq!(mounted(&pod, name, "/tmp")["emptyDir"], json!({ "sizeLimit": "256Mi" }), "{name}");
    }
    Ok(())
}

#[tokio::test]
async fn a7_databases_keep_user_group_and_data_paths() -> Result<()> {
    for (workload, container_name, user, group, data) in [
        ("postgres", "postgres", 999, 999, "/var/lib/postgresql/data"),
        ("redis", "redis", 999, 1000, "/data"),
        ("prometheus", "prometheus", 65534, 65534, "/prometheus"),
    ] {
        let pod = pod("ai-imutis", workload).await?;
        let context = &pod["spec"]["securityContext"];
        assert_eq!(
            (&context["runAsUser"], &context["runAsGroup"]),
            (&json!(user), &json!(group)),
            "{workload}"
        );
        assert_eq!(context["fsGroup"], group, "{workload}");
        assert_eq!(context["fsGroupChangePolicy"], "OnRootMismatch", "{workload}");
        assert_eq!(at(container(&pod, container_name), "/securityContext/runAsUser"), &Value::Null);
        // The data is still the claim's, and nothing lies over it.
        assert_eq!(
            mounted(&pod, container_name, data)["persistentVolumeClaim"]["claimName"],
            format!("data-{workload}-0")
        );
        let mounts = container(&pod, container_name)["volumeMounts"].as_array().context("mounts")?;
        let below = mounts.iter().filter_map(|it| it["mountPath"].as_str()).filter(|it| it.starts_with(data));
        assert_eq!(below.collect::<Vec<_>>(), [data], "{workload}");
        drops_all(&pod, true);
    }
    let postgres = pod("ai-imutis", "postgres").await?;
    assert!(mounted(&postgres, "postgres", "/var/run/postgresql")["emptyDir"].is_object());
    Ok(())
}

#[tokio::test]
async fn v1_services_run_as_10001_databases_as_themselves() -> Result<()> {
    for service in [
        "payment-service",
        "risk-service",
        "clearing-service",
        "ledger-service",
        "reversal-service",
        "postgres-backup",
    ] {
        let pod = pod("mini-visa", service).await?;
        runs_as(&pod, 10001);
        assert_eq!(pod["spec"]["securityContext"]["fsGroup"], 10001, "{service}");
        drops_all(&pod, true);
        assert!(mounted(&pod, service, "/tmp")["emptyDir"].is_object(), "{service}");
    }
    for (database, user, group) in [("postgres-payment", 70, 70), ("redis-cluster", 999, 1000)] {
        let pod = pod("mini-visa", database).await?;
        runs_as(&pod, user);
        assert_eq!(pod["spec"]["securityContext"]["fsGroup"], group, "{database}");
        drops_all(&pod, true);
    }
    Ok(())
}

#[tokio::test]
async fn v2_pgbouncer_beside_the_payment_service() -> Result<()> {
    let pod = pod("mini-visa", "payment-service").await?;
    assert_eq!(names(&pod, "initContainers"), ["pgbouncer"]);
    let pool = container(&pod, "pgbouncer");
    assert_eq!(pool["restartPolicy"], "Always");
    assert!(pool["startupProbe"]["exec"].is_object());
    let sources = mounted(&pod, "pgbouncer", "/etc/pgbouncer")["projected"]["sources"].clone();
    assert_eq!(sources[0]["configMap"]["name"], "pgbouncer-config");
    assert_eq!(sources[1]["secret"]["name"], "pgbouncer-users");
    let env = container(&pod, "payment-service")["env"].as_array().context("env")?;
    for (name, value) in [("PGHOST", "127.0.0.1"), ("PGPORT", "6432")] {
        assert!(env.contains(&json!({ "name": name, "value": value })), "{name} in {env:?}");
    }
    // Only there.
    assert_eq!(names(&self::pod("mini-visa", "risk-service").await?, "initContainers"), [""; 0]);
    Ok(())
}

#[tokio::test]
async fn p1_read_only_root_as_1000() -> Result<()> {
    for workload in ["api-service", "media-service", "media-processor", "outbox-processor", "data-export"] {
        let pod = pod("media-platform", workload).await?;
        runs_as(&pod, 1000);
        drops_all(&pod, true);
        assert_eq!(mounted(&pod, workload, "/tmp")["emptyDir"], json!({ "sizeLimit": "1Gi" }), "{workload}");
        if workload.starts_with("media-") {
            let scratch = mounted(&pod, workload, "/var/cache/media");
            assert_eq!(scratch["emptyDir"], json!({ "sizeLimit": "20Gi" }), "{workload}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn p2_media_on_their_nodes_and_all_spread() -> Result<()> {
    for workload in ["api-service", "media-service", "media-processor", "outbox-processor", "data-export"] {
        let pod = pod("media-platform", workload).await?;
        let media = workload == "media-service";
        assert_eq!(at(&pod, "/spec/nodeSelector/workload") == "media-processing", media, "{workload}");
        let tolerated = json!({ "key": "media-processing", "operator": "Exists", "effect": "NoSchedule" });
        let tolerates = pod["spec"]["tolerations"].as_array().is_some_and(|it| it.contains(&tolerated));
        assert_eq!(tolerates, media, "{workload}");

        let like_it = json!({ "matchLabels": { "app": workload } });
        let apart = "/spec/affinity/podAntiAffinity/preferredDuringSchedulingIgnoredDuringExecution/0";
        assert_eq!(at(&pod, apart)["weight"], 100, "{workload}");
        assert_eq!(at(&pod, apart)["podAffinityTerm"]["labelSelector"], like_it, "{workload}");
        let zones = at(&pod, "/spec/topologySpreadConstraints/0");
        assert_eq!(zones["topologyKey"], "topology.kubernetes.io/zone", "{workload}");
        assert_eq!(zones["labelSelector"], like_it, "{workload}");
    }
    Ok(())
}
