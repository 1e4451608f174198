//! What a tree makes passes the policies of its own system, and fits into the quota of its own namespace.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use sallyport_policy::Quantity;
use serde_json::{Value, json};

use crate::program;
use crate::tree::Tree;

/// What `sallyport admit` says of each object of a tree, one after the other.
fn admit(tree: &Tree) -> Result<Vec<Value>> {
    let mut command = Command::new(program());
    command.args(["admit", "--output", "json", "--policies"]).arg(&tree.policies).arg("-");
    let piped = || Stdio::piped();
    let mut child = command.stdin(piped()).stdout(piped()).stderr(piped()).spawn()?;
    let objects: Vec<String> = tree.objects.iter().map(ToString::to_string).collect();
    // Written whole before anything is read: it is read whole before anything is answered.
    child.stdin.take().context("no input")?.write_all(objects.join("\n---\n").as_bytes())?;
    let output = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(matches!(output.status.code(), Some(0 | 1)), "{}: {said}", tree.name);
    let text = String::from_utf8(output.stdout)?;
    text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

#[test]
fn every_tree_passes_the_policies_of_its_system() -> Result<()> {
    for tree in Tree::all()? {
        let answers = admit(tree)?;
        let refused: Vec<_> = answers.iter().filter(|answer| answer["allowed"] != true).collect();
        ensure!(refused.is_empty(), "{}: {refused:#?}", tree.name);
        let changed = answers.iter().filter(|answer| answer["changes"] != Value::Array(Vec::new())).count();
        let workloads = tree.workloads().len();
        ensure!(
            changed >= workloads,
            "{}: {changed} objects of {workloads} workloads are changed",
            tree.name
        );
    }
    Ok(())
}

/// What Istio adds to a pod unless it is told otherwise (`values.global.proxy.resources`).
fn proxy() -> Value {
    json!({ "requests": { "cpu": "100m", "memory": "128Mi" }, "limits": { "cpu": "2", "memory": "1Gi" } })
}

#[test]
fn every_quota_has_room_for_all_at_their_largest() -> Result<()> {
    let mut short = Vec::new();
    for tree in Tree::all()? {
        let quota = tree.of("ResourceQuota").next().with_context(|| format!("{}: no quota", tree.name))?;
        let mut needed: BTreeMap<String, i128> = BTreeMap::new();
        for answer in admit(tree)?.iter().filter(|answer| answer["object"]["owner"].is_object()) {
            let owner = &answer["object"]["owner"];
            let name = owner["name"].as_str().context("an owner without a name")?;
            let pods = largest(tree, owner["kind"].as_str().context("an owner without a kind")?, name)?;
            for of in ["requests", "limits"] {
                for resource in ["cpu", "memory"] {
                    let each = of_pod(&answer["mutated"], of, resource).with_context(|| name.to_owned())?;
                    *needed.entry(format!("{of}.{resource}")).or_default() += each * i128::from(pods);
                }
            }
            *needed.entry("pods".to_owned()).or_default() += nanos(&json!(pods.to_string()))?;
        }
        for (key, needed) in needed {
            let hard =
                nanos(&quota["spec"]["hard"][&key]).with_context(|| format!("{}: {key}", tree.name))?;
            if hard < needed {
                short.push(format!("{}: {key} is {} and not {}", tree.name, hard / UNIT, needed / UNIT));
            }
        }
    }
    ensure!(short.is_empty(), "{}", short.join("\n"));
    Ok(())
}

const UNIT: i128 = 1_000_000_000;

/// How many pods there are of it at once, at most: all that an autoscaler may want, and those of a rollout.
fn largest(tree: &Tree, kind: &str, name: &str) -> Result<u64> {
    if kind == "CronJob" {
        return Ok(1);
    }
    let object = tree.get(kind, name)?;
    let autoscaler =
        tree.of("HorizontalPodAutoscaler").find(|it| it["spec"]["scaleTargetRef"]["name"] == name);
    let wanted = autoscaler.and_then(|it| it["spec"]["maxReplicas"].as_u64());
    let replicas = wanted.or_else(|| object["spec"]["replicas"].as_u64()).context("no replicas")?;
    let strategy = &object["spec"]["strategy"];
    let surge = match strategy["rollingUpdate"]["maxSurge"].as_u64() {
        Some(surge) => surge,
        None if kind == "Deployment" && strategy["type"] != "Recreate" => replicas.div_ceil(4),
        None => 0,
    };
    Ok(replicas + surge)
}

/// What a pod counts for, as the API server counts it (KEP-753): all that run side by side, or the most that is there while
/// it starts.
fn of_pod(pod: &Value, of: &str, resource: &str) -> Result<i128> {
    let amount = |container: &Value| nanos(&container["resources"][of][resource]);
    let list = |list: &str| pod["spec"][list].as_array().cloned().unwrap_or_default();
    let mut beside = nanos(&proxy()[of][resource])?;
    let mut starting = 0;
    for container in list("initContainers") {
        if container["restartPolicy"] == "Always" {
            beside += amount(&container)?;
        } else {
            starting = starting.max(beside + amount(&container)?);
        }
    }
    let running: Result<Vec<i128>> = list("containers").iter().map(amount).collect();
    Ok(starting.max(beside + running?.iter().sum::<i128>()))
}

fn nanos(quantity: &Value) -> Result<i128> {
    let text = quantity.as_str().map_or_else(|| quantity.to_string(), str::to_owned);
    Ok(text.parse::<Quantity>()?.as_nanos())
}
