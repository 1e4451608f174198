//! Defaults offline are the API server's own.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use sallyport_admission::offline::apply_defaults;
use sallyport_admission::{GroupVersionKind, PodBearing};
use sallyport_tests::control_plane::ControlPlane;
use serde_json::{Map, Value, json};

#[tokio::test]
async fn what_is_defaulted_offline_is_what_the_api_server_defaults() -> Result<()> {
    let cluster = ControlPlane::shared().await;
    let namespace = cluster.namespace(&[]).await?;
    let objects = cluster.objects();
    let account = json!({"name": "named", "namespace": namespace});
    objects.apply(&json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account})).await?;

    let mut differences = Vec::new();
    for (file, mut written) in pod_bearing_objects()? {
        written["metadata"]["namespace"] = json!(namespace);
        let (kind, name) = (&written["kind"], &written["metadata"]["name"]);
        let at = format!("{} {kind} {name}", file.display());
        let mut theirs = objects.dry_run_create(&written).await.with_context(|| at.clone())?;
        remove_what_is_not_static(&written, &mut theirs);

        let mut ours = written.clone();
        apply_defaults(kind_of(&written).context("only such objects were read")?, &mut ours);
        remove_unwritten_zeros(&written, &theirs, &mut ours);
        compare(&at, &ours, &theirs, &mut differences);
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    Ok(())
}

/// The objects of this test and the workloads of all examples, each with its file.
fn pod_bearing_objects() -> Result<Vec<(PathBuf, Value)>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![here.join("tests/integration/defaults")];
    for example in fs::read_dir(here.join("../manifests/examples"))? {
        folders.push(example?.path().join("workloads"));
    }
    let mut objects = Vec::new();
    for folder in folders.into_iter().filter(|folder| folder.is_dir()) {
        for file in fs::read_dir(&folder)? {
            let file = file?.path();
            let text = fs::read_to_string(&file)?;
            let documents: Vec<Value> =
                serde_saphyr::from_multiple(&text).with_context(|| file.display().to_string())?;
            let found = documents.into_iter().filter(|object| kind_of(object).is_some());
            objects.extend(found.map(|object| (file.clone(), object)));
        }
    }
    ensure!(objects.len() > 40, "only {} objects were found", objects.len());
    Ok(objects)
}

fn kind_of(object: &Value) -> Option<PodBearing> {
    let (group, version) = object["apiVersion"].as_str()?.split_once('/').unwrap_or(("", "v1"));
    let (group, version, kind) = (group.into(), version.into(), object["kind"].as_str()?.into());
    PodBearing::of(&GroupVersionKind { group, version, kind })
}

/// Takes away what admission plugins add, and what the storage adds after the webhooks.
fn remove_what_is_not_static(written: &Value, theirs: &mut Value) {
    let fields = theirs.as_object_mut().unwrap();
    fields.remove("status");
    let metadata = fields["metadata"].as_object_mut().unwrap();
    for field in ["creationTimestamp", "generation", "managedFields", "resourceVersion", "uid"] {
        metadata.remove(field);
    }
    if written["metadata"]["name"].is_null() {
        metadata.remove("name");
    }
    match written["kind"].as_str().unwrap() {
        "Pod" => remove_what_plugins_add(&written["spec"], theirs["spec"].as_object_mut().unwrap()),
        "Job" => {
            fields["spec"].as_object_mut().unwrap().remove("selector");
            // The labels that the storage gives the template; what is read from there is defaulted again.
            for at in ["/metadata", "/spec/template/metadata"] {
                let metadata = theirs.pointer_mut(at).and_then(Value::as_object_mut).unwrap();
                let labels = metadata.get_mut("labels").and_then(Value::as_object_mut);
                if let Some(labels) = labels {
                    for label in ["controller-uid", "job-name"] {
                        labels.remove(label);
                        labels.remove(&format!("batch.kubernetes.io/{label}"));
                    }
                }
                remove_if_empty(metadata, "labels");
            }
        }
        "DaemonSet" => {
            // Its number in the internal version, as an annotation.
            let annotations = metadata["annotations"].as_object_mut().unwrap();
            annotations.remove("deprecated.daemonset.template.generation");
            remove_if_empty(metadata, "annotations");
        }
        _ => {}
    }
}

/// ServiceAccount, Priority, DefaultTolerationSeconds.
fn remove_what_plugins_add(written: &Value, spec: &mut Map<String, Value>) {
    if written["serviceAccountName"].is_null() && written["serviceAccount"].is_null() {
        spec.remove("serviceAccountName");
        spec.remove("serviceAccount");
    }
    spec.remove("priority");
    spec.remove("preemptionPolicy");
    let is_tokens = |it: &Value| it["name"].as_str().unwrap().starts_with("kube-api-access-");
    for list in ["containers", "initContainers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            let container = container.as_object_mut().unwrap();
            remove_elements(container, "volumeMounts", is_tokens);
        }
    }
    remove_elements(spec, "volumes", is_tokens);
    let own = written["tolerations"].as_array().cloned().unwrap_or_default();
    remove_elements(spec, "tolerations", |it| it["tolerationSeconds"] == 300 && !own.contains(it));
}

fn remove_elements(fields: &mut Map<String, Value>, list: &str, is_added: impl Fn(&Value) -> bool) {
    if let Some(elements) = fields.get_mut(list).and_then(Value::as_array_mut) {
        elements.retain(|element| !is_added(element));
    }
    remove_if_empty(fields, list);
}

fn remove_if_empty(fields: &mut Map<String, Value>, name: &str) {
    if matches!(fields.get(name), Some(value) if *value == json!([]) || *value == json!({})) {
        fields.remove(name);
    }
}

/// Takes away what was written as a zero value, and what the API server, for that, does not write.
fn remove_unwritten_zeros(written: &Value, theirs: &Value, ours: &mut Value) {
    match (written, theirs, ours) {
        (Value::Object(written), Value::Object(theirs), Value::Object(ours)) => {
            ours.retain(|name, value| {
                let same = written.get(name) == Some(value);
                !(same && is_zero(value) && !theirs.contains_key(name))
            });
            for (name, ours) in ours {
                if let (Some(written), Some(theirs)) = (written.get(name), theirs.get(name)) {
                    remove_unwritten_zeros(written, theirs, ours);
                }
            }
        }
        (Value::Array(written), Value::Array(theirs), Value::Array(ours)) => {
            for ((written, theirs), ours) in written.iter().zip(theirs).zip(ours) {
                remove_unwritten_zeros(written, theirs, ours);
            }
        }
        _ => {}
    }
}

fn is_zero(value: &Value) -> bool {
    [json!(null), json!(false), json!(0), json!(""), json!([]), json!({})].contains(value)
}

/// Adds each path where the two differ.
fn compare(at: &str, ours: &Value, theirs: &Value, differences: &mut Vec<String>) {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            let added = theirs.keys().filter(|name| !ours.contains_key(*name));
            for name in ours.keys().chain(added) {
                let missing = Value::from("(missing)");
                let [ours, theirs] = [ours, theirs].map(|fields| fields.get(name).unwrap_or(&missing));
                compare(&format!("{at}.{name}"), ours, theirs, differences);
            }
        }
        (Value::Array(ours), Value::Array(theirs)) if ours.len() == theirs.len() => {
            for (i, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
                compare(&format!("{at}[{i}]"), ours, theirs, differences);
            }
        }
        (ours, theirs) if ours != theirs => differences.push(format!("{at}: {ours}, and not {theirs}")),
        _ => {}
    }
}
