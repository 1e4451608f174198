//! What each line of the five guides asks a pod to be refused for, on the example's own pods through the API server.
//!
//! The tables in `manifests/examples/REQUIREMENTS.md` name these tests.

use anyhow::{Result, ensure};
use kube::Error;
use serde_json::{Value, json};

use crate::installed::{admitted, example, examples};

/// The API server's words when it refuses an object of an example.
async fn refusal(object: &Value) -> Result<String> {
    match examples().await?.objects().dry_run_create(object).await {
        Err(Error::Api(status)) if status.code == 403 => Ok(status.message.clone()),
        other => anyhow::bail!("expected a refusal of {object}, got {other:?}"),
    }
}

/// The pod of a workload passes as it was written, and is refused once it is changed: for each of `reasons`, which are
/// beginnings of `policy/entry: field: message`, and for nothing else.
async fn refused(
    system: &str,
    workload: &str,
    change: impl FnOnce(&mut Value),
    reasons: &[&str],
) -> Result<()> {
    let mut pod = example(system)?.pod(workload)?;
    admitted(&pod).await?;
    change(&mut pod);
    let message = refusal(&pod).await?;
    let (_, said) = message.split_once("denied the request: ").unwrap_or(("", &message));
    let said: Vec<&str> = said.lines().collect();
    for reason in reasons {
        ensure!(said.iter().any(|line| line.starts_with(reason)), "{workload}: no {reason} in\n{message}");
    }
    let other = said.iter().find(|line| !reasons.iter().any(|reason| line.starts_with(reason)));
    ensure!(other.is_none(), "{workload}: {other:?} is said too, in\n{message}");
    Ok(())
}

/// The position of a container in `spec.containers`.
fn position(pod: &Value, name: &str) -> usize {
    let containers = pod["spec"]["containers"].as_array().expect("a pod has containers");
    containers
        .iter()
        .position(|it| it["name"] == name)
        .unwrap_or_else(|| panic!("no container {name} in {pod}"))
}

fn container<'p>(pod: &'p mut Value, name: &str) -> &'p mut Value {
    let at = position(pod, name);
    &mut pod["spec"]["containers"][at]
}

fn remove(value: &mut Value, field: &str) {
    value.as_object_mut().expect("it has fields").remove(field);
}

/// Adds a literal to a container's environment.
fn env(pod: &mut Value, container_name: &str, name: &str, value: &str) {
    let env = &mut container(pod, container_name)["env"];
    if env.is_null() {
        *env = json!([]);
    }
    env.as_array_mut().expect("env is a list").push(json!({ "name": name, "value": value }));
}

#[tokio::test]
async fn every_object_of_the_examples_passes() -> Result<()> {
    let mut passed = 0;
    let cluster = examples().await?;
    for system in ["mita", "financial-planning", "ai-imutis", "mini-visa", "media-platform"] {
        let example = example(system)?;
        let workloads = example.workloads()?;
        // The accounts have passed already, and are there.
        let workloads = workloads.iter().filter(|object| object["kind"] != "ServiceAccount");
        for object in example.pods()?.iter().chain(workloads) {
            let answer = cluster.objects().create_strictly(object, true).await;
            let (kind, name) = (&object["kind"], &object["metadata"]["name"]);
            let answer = answer.map_err(|error| anyhow::anyhow!("{system} {kind} {name}: {error}"))?;
            // A controller is judged by the pod that it would make, as our own mutation leaves it.
            ensure!(answer.warnings.is_empty(), "{system} {kind} {name}: {:?}", answer.warnings);
            passed += 1;
        }
    }
    ensure!(passed > 60, "only {passed} objects");
    Ok(())
}

#[tokio::test]
async fn m1_root_and_what_is_not_restricted() -> Result<()> {
    let path = "mita-hardening/restricted: spec.containers[backend].securityContext.";
    refused(
        "mita",
        "mita",
        |pod| {
            container(pod, "backend")["securityContext"] =
                json!({ "runAsUser": 0, "capabilities": { "add": ["SYS_TIME"] } });
        },
        &[
            &format!("{path}runAsUser"),
            &format!("{path}capabilities.add"),
            &format!("{path}runAsNonRoot"),
            "mita-hardening/user-1000: spec.containers[backend]",
        ],
    )
    .await?;
    let host = |pod: &mut Value| pod["spec"]["hostPID"] = json!(true);
    refused("mita", "mita-scheduler", host, &["mita-hardening/restricted: spec.hostPID"]).await
}

#[tokio::test]
async fn m2_an_unknown_tier_and_a_low_one_that_wants_much() -> Result<()> {
    let unknown = |pod: &mut Value| pod["metadata"]["labels"]["tier"] = json!("lowest");
    refused(
        "mita",
        "mita-worker-low-priority",
        unknown,
        &["mita-worker-tiers/tier-known: ", "mita-worker-tiers/resources-stated: spec.containers[worker]"],
    )
    .await?;
    let much = |pod: &mut Value| {
        container(pod, "worker")["resources"] = json!({ "limits": { "cpu": "4", "memory": "256Mi" } });
    };
    // The API server takes the limit for the request, too.
    let at = "mita-worker-tiers/low-stays-low: spec.containers[worker].resources.";
    refused("mita", "mita-worker-low-priority", much, &[&format!("{at}limits"), &format!("{at}requests")])
        .await
}

#[tokio::test]
async fn m3_no_account_and_a_token_that_nobody_asked_for() -> Result<()> {
    let unnamed = |pod: &mut Value| {
        remove(&mut pod["spec"], "serviceAccountName");
        remove(&mut pod["spec"], "serviceAccount");
    };
    refused("mita", "mita-scheduler", unnamed, &["mita-hardening/named-account: spec.serviceAccountName"])
        .await?;
    let token = |pod: &mut Value| pod["spec"]["automountServiceAccountToken"] = json!(true);
    refused("mita", "mita", token, &["mita-hardening/application-without-token: "]).await?;
    let projected = |pod: &mut Value| {
        let volume =
            json!({"name": "t", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}});
        pod["spec"]["volumes"] = json!([volume]);
        pod["spec"]["automountServiceAccountToken"] = json!(false);
    };
    refused("mita", "mita", projected, &["mita-hardening/application-without-token: "]).await?;
    let accounts = example("mita")?.workloads()?;
    let mut backup = accounts
        .into_iter()
        .find(|it| it["kind"] == "ServiceAccount" && it["metadata"]["name"] == "mita-backup");
    let backup = backup.as_mut().expect("the account is there");
    backup["metadata"]["annotations"]["eks.amazonaws.com/role-arn"] =
        json!("arn:aws:iam::111122223333:role/mita-app-role");
    backup["metadata"]["name"] = json!("mita-monitoring");
    let message = refusal(backup).await?;
    ensure!(message.contains("mita-service-accounts/only-its-own-role: "), "{message}");
    Ok(())
}

#[tokio::test]
async fn m6_a_job_that_could_not_finish() -> Result<()> {
    let second = |pod: &mut Value| {
        let mut other = pod["spec"]["containers"][0].clone();
        other["name"] = json!("second");
        pod["spec"]["containers"].as_array_mut().expect("a list").push(other);
    };
    refused("mita", "mita-backup", second, &["mita-jobs/can-finish: "]).await
}

#[tokio::test]
async fn m8_a_secret_in_the_environment() -> Result<()> {
    let at = "mita-hardening/no-literal-secrets: spec.containers[backend].env";
    refused("mita", "mita", |pod| env(pod, "backend", "STRIPE_SECRET_KEY", "tiger1scott"), &[at]).await?;
    let url = "postgres://mita:tiger1scott@db.example.com/mita";
    refused("mita", "mita", |pod| env(pod, "backend", "UPSTREAM", url), &[at]).await?;
    let mut pod = example("mita")?.pod("mita")?;
    env(&mut pod, "backend", "STRIPE_SECRET_KEY", "tiger1scott");
    ensure!(!refusal(&pod).await?.contains("tiger1scott"), "the secret is told");
    Ok(())
}

#[tokio::test]
async fn f1_another_user_and_a_writable_root() -> Result<()> {
    let context = json!({ "runAsUser": 1002, "readOnlyRootFilesystem": false });
    let of = "financial-planning-hardening/";
    refused(
        "financial-planning",
        "financial-planning-api",
        |pod| container(pod, "api")["securityContext"] = context,
        &[
            &format!("{of}read-only-root: spec.containers[api]"),
            &format!("{of}user-1001: spec.containers[api]"),
        ],
    )
    .await
}

#[tokio::test]
async fn f4_a_missing_probe_and_another_path() -> Result<()> {
    let at = "financial-planning-api/probes: spec.containers[api].";
    for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
        let without = |pod: &mut Value| remove(container(pod, "api"), probe);
        refused("financial-planning", "financial-planning-api", without, &[&format!("{at}{probe}")]).await?;
    }
    let elsewhere = |pod: &mut Value| container(pod, "api")["livenessProbe"]["httpGet"]["path"] = json!("/");
    refused("financial-planning", "financial-planning-api", elsewhere, &[&format!("{at}livenessProbe")]).await
}

#[tokio::test]
async fn f12_another_component_s_account() -> Result<()> {
    let borrowed = |pod: &mut Value| pod["metadata"]["labels"]["app"] = json!("other");
    refused(
        "financial-planning",
        "financial-planning-api",
        borrowed,
        &["financial-planning-hardening/own-account: "],
    )
    .await
}

#[tokio::test]
async fn a1_migrations_that_run_as_root() -> Result<()> {
    let root = |pod: &mut Value| {
        pod["spec"]["initContainers"][0]["securityContext"] =
            json!({ "runAsUser": 0, "runAsNonRoot": false });
    };
    let name = example("ai-imutis")?.pod("api")?["spec"]["initContainers"][0]["name"].clone();
    let at = format!(
        "ai-imutis-hardening/restricted: spec.initContainers[{}].securityContext.",
        name.as_str().unwrap_or_default()
    );
    refused("ai-imutis", "api", root, &[&format!("{at}runAsUser"), &format!("{at}runAsNonRoot")]).await
}

#[tokio::test]
async fn a6_a_missing_probe_and_missing_resources() -> Result<()> {
    for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
        let without = |pod: &mut Value| remove(container(pod, "api"), probe);
        refused(
            "ai-imutis",
            "api",
            without,
            &[&format!("ai-imutis-health/three-probes: spec.containers[api].{probe}")],
        )
        .await?;
    }
    let elsewhere =
        |pod: &mut Value| container(pod, "api")["readinessProbe"]["httpGet"]["path"] = json!("/ready");
    refused(
        "ai-imutis",
        "api",
        elsewhere,
        &["ai-imutis-health/api-health-path: spec.containers[api].readinessProbe"],
    )
    .await
}

#[tokio::test]
async fn a7_a_database_that_leaves_its_files_to_chance() -> Result<()> {
    let unowned = |pod: &mut Value| {
        remove(&mut pod["spec"]["securityContext"], "fsGroup");
    };
    refused("ai-imutis", "postgres", unowned, &["ai-imutis-stateful/says-whose-files: "]).await
}

#[tokio::test]
async fn a8_a_foreign_image_and_one_without_a_version() -> Result<()> {
    let at = "ai-imutis-hardening/own-registry: spec.containers[api].image";
    for image in [
        "docker.io/library/nginx:1.27",
        "registry.example.com/ai-imutis-evil/api:1",
        "registry.example.com/ai-imutis/api:latest",
        "registry.example.com/ai-imutis/api",
    ] {
        refused("ai-imutis", "api", |pod| container(pod, "api")["image"] = json!(image), &[at]).await?;
    }
    Ok(())
}

#[tokio::test]
async fn v1_another_user_and_more_privilege() -> Result<()> {
    let of = "mini-visa-hardening/";
    let context =
        json!({ "runAsUser": 1000, "allowPrivilegeEscalation": true, "readOnlyRootFilesystem": false });
    refused(
        "mini-visa",
        "risk-service",
        |pod| container(pod, "risk-service")["securityContext"] = context,
        &[
            &format!(
                "{of}restricted: spec.containers[risk-service].securityContext.allowPrivilegeEscalation"
            ),
            &format!("{of}read-only-root: spec.containers[risk-service]"),
            &format!("{of}user-10001: spec.containers[risk-service]"),
        ],
    )
    .await
}

#[tokio::test]
async fn v2_a_payment_service_that_goes_round_the_pool() -> Result<()> {
    let round = |pod: &mut Value| env(pod, "payment-service", "PGHOST", "postgres-payment");
    refused(
        "mini-visa",
        "payment-service",
        round,
        &["mini-visa-pgbouncer/only-through-the-pool: spec.containers[payment-service]"],
    )
    .await?;
    // Of two variables of one name the last one counts, so mutation finds one and leaves it.
    let twice = |pod: &mut Value| {
        let env = json!([{"name": "PGHOST", "value": "127.0.0.1"}, {"name": "PGHOST", "value": "postgres-payment"}]);
        container(pod, "payment-service")["env"] = env;
    };
    refused(
        "mini-visa",
        "payment-service",
        twice,
        &["mini-visa-pgbouncer/only-through-the-pool: spec.containers[payment-service]"],
    )
    .await
}

#[tokio::test]
async fn v3_no_identity_and_a_secret_that_is_written_down() -> Result<()> {
    let unnamed = |pod: &mut Value| {
        remove(&mut pod["spec"], "serviceAccountName");
        remove(&mut pod["spec"], "serviceAccount");
    };
    refused(
        "mini-visa",
        "ledger-service",
        unnamed,
        &["mini-visa-hardening/named-account: spec.serviceAccountName"],
    )
    .await?;
    let at = "mini-visa-hardening/no-literal-secrets: spec.containers[ledger-service].env";
    refused(
        "mini-visa",
        "ledger-service",
        |pod| env(pod, "ledger-service", "DB_PASSWORD", "tiger1scott"),
        &[at],
    )
    .await
}

#[tokio::test]
async fn v6_more_than_the_autoscaler_would_recommend() -> Result<()> {
    let at = "mini-visa-bounds/payment-service-bounds: spec.containers[payment-service].resources.";
    let much =
        json!({ "requests": { "cpu": "50m", "memory": "128Mi" }, "limits": { "cpu": "1", "memory": "2Gi" } });
    let change = |pod: &mut Value| container(pod, "payment-service")["resources"] = much;
    refused("mini-visa", "payment-service", change, &[&format!("{at}requests"), &format!("{at}limits")]).await
}

#[tokio::test]
async fn v8_a_card_number_is_not_repeated() -> Result<()> {
    let mut pod = example("mini-visa")?.pod("payment-service")?;
    env(&mut pod, "payment-service", "TEST_CARD", "4111 1111 1111 1111");
    let message = refusal(&pod).await?;
    ensure!(message.contains("mini-visa-hardening/no-literal-secrets: "), "{message}");
    ensure!(!message.contains("4111"), "{message}");
    Ok(())
}

#[tokio::test]
async fn p1_a_writable_root_and_another_user() -> Result<()> {
    let of = "media-platform-hardening/";
    let context = json!({ "runAsUser": 1, "readOnlyRootFilesystem": false });
    refused(
        "media-platform",
        "api-service",
        |pod| container(pod, "api-service")["securityContext"] = context,
        &[
            &format!("{of}read-only-root: spec.containers[api-service]"),
            &format!("{of}user-1000: spec.containers[api-service]"),
        ],
    )
    .await
}

#[tokio::test]
async fn p2_a_pod_that_nothing_can_be_spread_by() -> Result<()> {
    let unlabelled = |pod: &mut Value| {
        remove(&mut pod["metadata"]["labels"], "app");
    };
    let of = "media-platform-placement/";
    refused(
        "media-platform",
        "api-service",
        unlabelled,
        &[&format!("{of}app-label: metadata.labels"), &format!("{of}spread: spec")],
    )
    .await
}

#[tokio::test]
async fn p6_probes_elsewhere_and_a_slow_starter_without_its_own() -> Result<()> {
    let at = "media-platform-health/probes: spec.containers[api-service].";
    for probe in ["livenessProbe", "readinessProbe"] {
        let elsewhere =
            |pod: &mut Value| container(pod, "api-service")[probe]["httpGet"]["path"] = json!("/");
        refused("media-platform", "api-service", elsewhere, &[&format!("{at}{probe}")]).await?;
    }
    let impatient = |pod: &mut Value| remove(container(pod, "media-service"), "startupProbe");
    refused(
        "media-platform",
        "media-service",
        impatient,
        &["media-platform-health/slow-starters: spec.containers[media-service]"],
    )
    .await
}

#[tokio::test]
async fn p8_a_signing_key_in_the_environment() -> Result<()> {
    let at = "media-platform-hardening/no-literal-secrets: spec.containers[api-service].env";
    let key = "-----BEGIN PRIVATE KEY-----\nMIIEvQ\n-----END PRIVATE KEY-----";
    refused("media-platform", "api-service", |pod| env(pod, "api-service", "SIGNER", key), &[at]).await
}
