//! The control plane that other tests stand on behaves as a cluster's own.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, thread};

use anyhow::{Context, Result};
use kube::Error;
use kube::core::Status;
use sallyport_tests::control_plane::ControlPlane;
use sallyport_tests::objects::Objects;
use serde_json::{Value, json};

fn pod(namespace: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": "web", "namespace": namespace },
        "spec": { "containers": [{ "name": "web", "image": "web:1" }] },
    })
}

#[track_caller]
fn refusal(answer: Result<Value, Error>) -> Box<Status> {
    match answer {
        Err(Error::Api(status)) => status,
        other => panic!("the API server was to refuse, and answered {other:?}"),
    }
}

#[tokio::test]
async fn the_api_server_answers_with_its_version() -> Result<()> {
    let version = ControlPlane::shared().await.client().apiserver_version().await?;
    assert_eq!((version.major.as_str(), version.minor.as_str()), ("1", "36"));
    Ok(())
}

#[tokio::test]
async fn a_pod_passes_a_dry_run_and_comes_back_defaulted() -> Result<()> {
    let cluster = ControlPlane::shared().await;
    let namespace = cluster.namespace(&[]).await?;
    let created = cluster.objects().dry_run_create(&pod(&namespace)).await?;
    assert_eq!(created["spec"]["restartPolicy"], "Always");
    assert_eq!(created["spec"]["serviceAccountName"], "default");
    assert_eq!(created["spec"]["containers"][0]["imagePullPolicy"], "IfNotPresent");
    assert_eq!(created["spec"]["tolerations"].as_array().map(Vec::len), Some(2));
    Ok(())
}

#[tokio::test]
async fn an_invalid_pod_is_refused_with_its_field() -> Result<()> {
    let cluster = ControlPlane::shared().await;
    let mut pod = pod(&cluster.namespace(&[]).await?);
    pod["spec"]["containers"][0]["ports"] = json!([{ "containerPort": 70000 }]);
    let status = refusal(cluster.objects().dry_run_create(&pod).await);
    assert!(status.is_invalid(), "{status:?}");
    let fields: Vec<&str> =
        status.details.iter().flat_map(|it| &it.causes).map(|it| it.field.as_str()).collect();
    assert_eq!(fields, ["spec.containers[0].ports[0].containerPort"]);
    Ok(())
}

#[tokio::test]
async fn a_user_without_a_role_is_refused() -> Result<()> {
    let cluster = ControlPlane::shared().await;
    let namespace = cluster.namespace(&[]).await?;
    let ordinary = Objects::new(cluster.client_as("ada", &["developers"]));
    let status = refusal(ordinary.dry_run_create(&pod(&namespace)).await);
    assert!(status.is_forbidden(), "{status:?}");
    Ok(())
}

#[tokio::test]
async fn a_namespace_has_the_labels_that_it_was_given() -> Result<()> {
    let cluster = ControlPlane::shared().await;
    let namespace = cluster.namespace(&[("pod-security.kubernetes.io/enforce", "baseline")]).await?;
    let mut pod = pod(&namespace);
    pod["spec"]["containers"][0]["securityContext"] = json!({ "privileged": true });
    let status = refusal(cluster.objects().dry_run_create(&pod).await);
    assert!(status.is_forbidden(), "{status:?}");
    assert!(status.message.contains("PodSecurity"), "{status:?}");
    Ok(())
}

#[tokio::test]
async fn a_limit_range_fills_resources() -> Result<()> {
    let cluster = ControlPlane::shared().await;
    let objects = cluster.objects();
    let namespace = cluster.namespace(&[]).await?;
    let limits = format!(
        "
        apiVersion: v1
        kind: LimitRange
        metadata: {{ name: limits, namespace: {namespace} }}
        spec:
          limits:
          - {{ type: Container, default: {{ memory: 64Mi }}, defaultRequest: {{ memory: 32Mi }} }}
        "
    );
    objects.apply_yaml(&limits).await?;
    let created = objects.dry_run_create(&pod(&namespace)).await?;
    assert_eq!(
        created["spec"]["containers"][0]["resources"],
        json!({ "limits": { "memory": "64Mi" }, "requests": { "memory": "32Mi" } })
    );
    assert!(created["metadata"]["annotations"]["kubernetes.io/limit-ranger"].is_string());
    Ok(())
}

#[tokio::test]
async fn two_control_planes_run_side_by_side_and_end_when_dropped() -> Result<()> {
    let shared = ControlPlane::shared().await;
    let own = ControlPlane::start().await?;
    assert_ne!(own.url(), shared.url());
    let (ids, kubeconfig) = (own.process_ids(), own.kubeconfig().to_owned());
    assert!(ids.iter().all(|&id| runs(id)) && kubeconfig.exists());
    drop(own);
    assert!(!ids.iter().any(|&id| runs(id)) && !kubeconfig.exists());
    Ok(())
}

#[test]
fn the_processes_end_when_their_owner_is_killed() -> Result<()> {
    let mut owner = Command::new(env!("CARGO_BIN_EXE_control-plane")).stdout(Stdio::piped()).spawn()?;
    let lines = BufReader::new(owner.stdout.take().context("the owner's output is a pipe")?).lines();
    let ids = lines.map_while(Result::ok).find_map(|line| {
        let ids = line.strip_prefix("processes: ")?;
        ids.split_whitespace().map(|id| id.parse().ok()).collect::<Option<Vec<u32>>>()
    });
    // Killed even where it said nothing, so that a failing test leaves nothing behind.
    let running = ids.as_ref().is_some_and(|ids| ids.len() == 2 && ids.iter().all(|&id| runs(id)));
    owner.kill()?;
    owner.wait()?;
    assert!(running, "the owner started {ids:?}");

    let deadline = Instant::now() + Duration::from_secs(10);
    for id in ids.into_iter().flatten() {
        while runs(id) {
            assert!(Instant::now() < deadline, "process {id} outlived its owner");
            thread::sleep(Duration::from_millis(20));
        }
    }
    Ok(())
}

/// Whether the process is there and no zombie: in a container there may be nobody who collects an orphan.
fn runs(id: u32) -> bool {
    std::fs::read_to_string(Path::new("/proc").join(id.to_string()).join("stat"))
        .is_ok_and(|stat| !stat.contains(") Z "))
}

#[test]
fn the_control_plane_to_work_with_says_how_it_is_used() -> Result<()> {
    let program = env!("CARGO_BIN_EXE_control-plane");
    let helped = Command::new(program).arg("--help").output()?;
    assert!(helped.status.success() && String::from_utf8(helped.stdout)?.contains("Usage: control-plane"));
    let wrong = Command::new(program).arg("start").output()?;
    assert!(!wrong.status.success() && String::from_utf8(wrong.stderr)?.contains("Usage: control-plane"));
    Ok(())
}
