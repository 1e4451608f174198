//! The API server serves Sallyport's resources, and refuses wrong ones: by their schema, or by asking us.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use kube::Error;
use sallyport_tests::control_plane::ControlPlane;
use sallyport_tests::examples::{Example, manifests, read};
use sallyport_tests::registration;
use sallyport_tests::webhook::Webhook;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::program;

#[test]
fn the_definitions_are_what_the_program_prints() -> Result<()> {
    let folder = manifests().join("crds");
    let printed = tempfile::tempdir()?;
    let into = if env::var_os("SALLYPORT_BLESS").is_some() { folder.as_path() } else { printed.path() };
    let status = Command::new(program()).args(["crds", "--dir"]).arg(into).status()?;
    ensure!(status.success(), "{status}");
    let (kept, printed) = (texts(&folder)?, texts(into)?);
    let names: Vec<_> = kept.keys().collect();
    assert_eq!(names, printed.keys().collect::<Vec<_>>());
    for (name, text) in &kept {
        assert!(*text == printed[name], "{name} is out of date: run `sallyport crds --dir manifests/crds`");
    }
    Ok(())
}

fn texts(folder: &Path) -> Result<BTreeMap<String, String>> {
    let entries = fs::read_dir(folder)?.map(|entry| {
        let entry = entry?;
        Ok((entry.file_name().to_string_lossy().into_owned(), fs::read_to_string(entry.path())?))
    });
    let mut texts: BTreeMap<String, String> = entries.collect::<Result<_>>()?;
    // What has them applied as one.
    texts.remove("Kustomization");
    Ok(texts)
}

/// The shared control plane, once it serves our resources; and what it said when it was given their definitions.
async fn served() -> Result<(&'static ControlPlane, &'static [String])> {
    static WARNINGS: OnceCell<Result<Vec<String>, String>> = OnceCell::const_new();
    let cluster = ControlPlane::shared().await;
    let define = || async { define(cluster).await.map_err(|error| format!("{error:#}")) };
    let warnings = WARNINGS.get_or_init(define).await.as_ref().map_err(|error| anyhow!("{error}"))?;
    Ok((cluster, warnings))
}

async fn define(cluster: &ControlPlane) -> Result<Vec<String>> {
    let objects = cluster.objects();
    let mut warnings = Vec::new();
    for definition in definitions()? {
        match objects.create_strictly(&definition, false).await {
            Ok(answer) => warnings.extend(answer.warnings),
            Err(Error::Api(status)) => bail!("{}", status.message),
            Err(error) => return Err(error.into()),
        }
    }
    for definition in definitions()? {
        until(|| async {
            let conditions = objects.get(&definition).await?["status"]["conditions"].clone();
            let conditions = conditions.as_array().cloned().unwrap_or_default();
            for condition in &conditions {
                ensure!(condition["type"] != "NonStructuralSchema", "{condition}");
            }
            Ok(conditions.iter().any(|it| it["type"] == "Established" && it["status"] == "True"))
        })
        .await?;
    }
    // Established, a kind is served a moment later.
    let client = cluster.client();
    let list = |plural: &str| format!("/apis/sallyport.dev/v1alpha1/{plural}");
    for plural in ["workloadpolicies", "policyexceptions", "trafficpolicies"] {
        until(|| async {
            let request = http::Request::get(list(plural)).body(Vec::new())?;
            Ok(client.request::<Value>(request).await.is_ok())
        })
        .await?;
    }
    Ok(warnings)
}

fn definitions() -> Result<Vec<Value>> {
    sallyport_tests::examples::read_folder(&manifests().join("crds"))
}

async fn until<F: Future<Output = Result<bool>>>(done: impl Fn() -> F) -> Result<()> {
    let start = Instant::now();
    while !done().await? {
        // It ends a test that hangs, and decides none.
        ensure!(start.elapsed() < Duration::from_secs(60), "not within a minute");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

#[tokio::test]
async fn the_api_server_takes_the_definitions_without_a_warning() -> Result<()> {
    let (_, warnings) = served().await?;
    assert_eq!(warnings, [""; 0]);
    Ok(())
}

#[tokio::test]
async fn each_kind_has_its_short_name_and_category() -> Result<()> {
    let (cluster, _) = served().await?;
    let request = http::Request::get("/apis/sallyport.dev/v1alpha1").body(Vec::new())?;
    let served: Value = cluster.client().request(request).await?;
    let mut short_names = BTreeMap::new();
    for resource in served["resources"].as_array().context("a list of resources")? {
        let name = resource["name"].as_str().unwrap_or_default();
        if !name.contains('/') {
            assert_eq!(resource["categories"], json!(["sallyport"]), "{name}");
            short_names.insert(name, resource["shortNames"].clone());
        }
    }
    let want = [("policyexceptions", "polex"), ("trafficpolicies", "tp"), ("workloadpolicies", "wlp")];
    assert_eq!(short_names, want.map(|(name, short)| (name, json!([short]))).into());
    Ok(())
}

#[tokio::test]
async fn a_list_shows_what_an_operator_asks_first() -> Result<()> {
    let (cluster, _) = served().await?;
    let objects = cluster.objects();
    let policy = json!({
        "apiVersion": "sallyport.dev/v1alpha1",
        "kind": "WorkloadPolicy",
        "metadata": { "name": "shown-in-a-list" },
        "spec": { "mode": "Audit", "priority": 7, "match": { "kinds": ["Pod"] } },
    });
    objects.create(&policy).await?;
    let status = json!({ "status": { "conditions": [{
        "type": "Accepted", "status": "True", "reason": "InForce", "message": "",
        "lastTransitionTime": "2030-01-31T18:00:00Z",
    }] } });
    let mut accepted = objects.get(&policy).await?;
    accepted["status"] = status["status"].clone();
    objects.replace(&accepted, Some("status")).await?;

    let request = http::Request::get("/apis/sallyport.dev/v1alpha1/workloadpolicies/shown-in-a-list")
        .header("accept", "application/json;as=Table;v=v1;g=meta.k8s.io")
        .body(Vec::new())?;
    let table: Value = cluster.client().request(request).await?;
    let columns = table["columnDefinitions"].as_array().context("columns")?;
    let cells = table["rows"][0]["cells"].as_array().context("cells")?;
    let shown: BTreeMap<&str, &Value> =
        columns.iter().map(|it| it["name"].as_str().unwrap_or_default()).zip(cells).collect();
    assert_eq!(shown["Mode"], "Audit");
    assert_eq!(shown["Priority"], 7);
    assert_eq!(shown["Accepted"], "True");
    assert!(shown["Age"].is_string());
    Ok(())
}

#[tokio::test]
async fn every_example_policy_is_accepted_without_a_word() -> Result<()> {
    let (cluster, _) = served().await?;
    let (objects, namespace) = (cluster.objects(), cluster.namespace(&[]).await?);
    let mut accepted = 0;
    for example in Example::all()? {
        for mut policy in sallyport_tests::examples::read_folder(&example.policies())? {
            let name = policy["metadata"]["name"].clone();
            if policy["metadata"]["namespace"].is_string() {
                policy["metadata"]["namespace"] = json!(namespace);
            }
            let answer = objects.create_strictly(&policy, true).await.with_context(|| name.to_string())?;
            assert_eq!(answer.warnings, [""; 0], "{name}");
            accepted += 1;
        }
    }
    assert!(accepted >= 15, "only {accepted} policies were found");
    Ok(())
}

#[tokio::test]
async fn a_resource_comes_back_as_it_was_written() -> Result<()> {
    let (cluster, _) = served().await?;
    let (objects, namespace) = (cluster.objects(), cluster.namespace(&[]).await?);
    for mut written in cases("accepted")?.into_iter().chain(traffic_policies("pass")?) {
        let name = written["metadata"]["name"].clone();
        if written["kind"] == "WorkloadPolicy" {
            // All that is filled in: what `kubectl get` shows.
            let spec = written["spec"].as_object_mut().context("a spec")?;
            spec.entry("mode").or_insert(json!("Enforce"));
            spec.entry("priority").or_insert(json!(0));
        } else {
            written["metadata"]["namespace"] = json!(namespace);
        }
        let answer = objects.create_strictly(&written, true).await.with_context(|| name.to_string())?;
        assert_eq!(answer.warnings, [""; 0], "{name}");
        assert_eq!(answer.object["spec"], written["spec"], "{name}");
    }
    Ok(())
}

#[tokio::test]
async fn what_the_schema_can_see_is_refused_without_us() -> Result<()> {
    let (cluster, _) = served().await?;
    refused(cluster, cases("refused-by-the-schema")?).await
}

#[tokio::test]
async fn what_only_we_can_see_is_refused_with_the_field() -> Result<()> {
    let (cluster, _) = served().await?;
    let webhook = Webhook::start(program(), &[Example::all()?[0].policies()]).await?;
    registration::checking(cluster, "rules", &webhook).await?;
    let label = registration::label("rules");
    let mut wrong = cases("refused-by-the-webhook")?;
    for policy in &mut wrong {
        // The schema has nothing against it.
        let answer = cluster.objects().create_strictly(policy, true).await;
        ensure!(answer.is_ok(), "{}: {answer:?}", policy["metadata"]["name"]);
        policy["metadata"]["labels"] = json!({ label.as_str(): "" });
    }
    refused(cluster, wrong).await?;

    // By the schema or by us: none gets through.
    let namespace = cluster.namespace(&[]).await?;
    for mut policy in traffic_policies("fail")? {
        policy["metadata"]["namespace"] = json!(namespace);
        policy["metadata"]["labels"] = json!({ label.as_str(): "" });
        let answer = cluster.objects().create_strictly(&policy, true).await;
        let name = &policy["metadata"]["name"];
        ensure!(matches!(answer, Err(Error::Api(_))), "{name} was not refused: {answer:?}");
    }

    // And what is right passes.
    for example in Example::all()? {
        for mut policy in sallyport_tests::examples::read_folder(&example.policies())? {
            if policy["metadata"]["namespace"].is_string() {
                policy["metadata"]["namespace"] = json!(namespace);
            }
            policy["metadata"]["labels"] = json!({ label.as_str(): "" });
            let answer = cluster.objects().create_strictly(&policy, true).await;
            answer.with_context(|| policy["metadata"]["name"].to_string())?;
        }
    }
    Ok(())
}

/// The documents of a file beside this one.
fn cases(file: &str) -> Result<Vec<Value>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/integration/crds");
    read(&folder.join(file).with_extension("yaml"))
}

/// The TrafficPolicies that the filter's own tests judge.
fn traffic_policies(folder: &str) -> Result<Vec<Value>> {
    let folder = manifests().join("../wasm-filter/core/tests/data").join(folder);
    let mut policies = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let file = entry?.path();
        if file.extension().is_some_and(|it| it == "yaml") {
            let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let spec = read(&file)?.swap_remove(0)["spec"].take();
            policies.push(json!({
                "apiVersion": "sallyport.dev/v1alpha1",
                "kind": "TrafficPolicy",
                "metadata": { "name": name },
                "spec": spec,
            }));
        }
    }
    ensure!(policies.len() > 3, "only {} policies in {}", policies.len(), folder.display());
    Ok(policies)
}

/// Each case is refused, and with the words of its annotation `wants`.
async fn refused(cluster: &ControlPlane, cases: Vec<Value>) -> Result<()> {
    let (objects, namespace) = (cluster.objects(), cluster.namespace(&[]).await?);
    let mut unlike = Vec::new();
    for mut case in cases {
        let wants = case["metadata"]["annotations"]["wants"].as_str().context("what it wants")?.to_owned();
        if case["kind"] != "WorkloadPolicy" {
            case["metadata"]["namespace"] = json!(namespace);
        }
        let name = case["metadata"]["name"].clone();
        match objects.create_strictly(&case, true).await {
            Err(Error::Api(status)) if status.message.contains(&wants) => {}
            Err(Error::Api(status)) => {
                unlike.push(format!("{name} wants\n    {wants}\nand not\n    {}", status.message));
            }
            Err(error) => return Err(error.into()),
            Ok(_) => unlike.push(format!("{name} was not refused")),
        }
    }
    if !unlike.is_empty() {
        bail!("{}", unlike.join("\n\n"));
    }
    Ok(())
}
