//! What the API server stores of a pod is what `mutate` makes of it, and the API server takes it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::{Context as _, Result, ensure};
use kube::Error;
use sallyport::policies::Loaded;
use sallyport_admission::{Context, Decision, Request, mutate};
use sallyport_tests::control_plane::ControlPlane;
use sallyport_tests::examples::{Example, read};
use sallyport_tests::foreign_webhook::ForeignWebhook;
use sallyport_tests::objects::Objects;
use sallyport_tests::programs;
use sallyport_tests::registration::{self, UNSEEN};
use sallyport_tests::webhook::{Webhook, at, load};
use serde_json::{Value, json};

use crate::{installed, program};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/integration/mutation").join(name)
}

/// A webhook that changes nothing and keeps what it was asked about: the requests of one user.
struct Witness {
    webhook: ForeignWebhook,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Witness {
    fn start(user: &str) -> Result<Self> {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (inside, user) = (Arc::clone(&seen), user.to_owned());
        let webhook = ForeignWebhook::start(move |request| {
            if request.user_info.username == user {
                inside.lock().unwrap().push(request.clone());
            }
            None
        })?;
        Ok(Self { webhook, seen })
    }

    /// The request that came first since this was last asked: an object as no webhook has changed it yet.
    fn first(&self) -> Result<Request> {
        let seen = std::mem::take(&mut *self.seen.lock().unwrap());
        seen.into_iter().next().context("the API server did not ask")
    }
}

/// Takes away what the storage adds after the webhooks, and what the API server's own plugins add when they run again
/// after us: the priority of a class, and the service account's token to containers that they have not seen before.
fn comparable(mut object: Value) -> Value {
    drop_empty(&mut object);
    object.as_object_mut().unwrap().remove("status");
    let metadata = object["metadata"].as_object_mut().unwrap();
    for field in ["creationTimestamp", "generation", "managedFields", "resourceVersion", "uid"] {
        metadata.remove(field);
    }
    if metadata.contains_key("generateName") {
        metadata.remove("name");
    }
    let is_tokens = |it: &Value| it["name"].as_str().is_some_and(|name| name.starts_with("kube-api-access-"));
    let spec = object["spec"].as_object_mut().unwrap();
    let without_tokens = |fields: &mut serde_json::Map<String, Value>, list: &str| {
        if let Some(elements) = fields.get_mut(list).and_then(Value::as_array_mut) {
            elements.retain(|it| !is_tokens(it));
            if elements.is_empty() {
                fields.remove(list);
            }
        }
    };
    spec.remove("priority");
    spec.remove("preemptionPolicy");
    without_tokens(spec, "volumes");
    for list in ["initContainers", "containers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            let container = container.as_object_mut().unwrap();
            without_tokens(container, "volumeMounts");
            // The storage copies it from the annotation of old.
            let context = container.get_mut("securityContext").and_then(Value::as_object_mut);
            context.map(|context| context.remove("appArmorProfile"));
        }
    }
    object
}

/// To the storage, a list without elements is no list.
fn drop_empty(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, it| !it.is_null() && it.as_array().is_none_or(|elements| !elements.is_empty()));
            fields.values_mut().for_each(drop_empty);
        }
        Value::Array(elements) => elements.iter_mut().for_each(drop_empty),
        _ => {}
    }
}

fn decided(loaded: &Loaded, request: &Request) -> Decision {
    mutate(
        &loaded.set,
        request,
        &Context { namespace: loaded.namespace(&request.namespace), ..Context::default() },
    )
}

/// The request to create this pod as it is now.
fn again(request: &Request, object: Value) -> Request {
    Request { object, ..request.clone() }
}

/// That what was stored is what `mutate` made of the request, and that it makes nothing more of that.
fn agree(loaded: &Loaded, request: &Request, stored: &Value) -> Result<()> {
    let decision = decided(loaded, request);
    let wanted = decision.mutated.unwrap_or_else(|| request.object.clone());
    let (wanted, found) = (comparable(filled(wanted)), comparable(stored.clone()));
    let differences = json_patch::diff(&wanted, &found);
    ensure!(differences.0.is_empty(), "stored otherwise than decided: {}", json!(differences));
    let more = decided(loaded, &again(request, stored.clone())).patch;
    ensure!(more.0.is_empty(), "a second call would still change it: {}", json!(more));
    Ok(())
}

/// What the API server's defaulting adds to what a patch brought: a container has a pull policy.
fn filled(mut pod: Value) -> Value {
    sallyport_admission::offline::apply_defaults(sallyport_admission::PodBearing::Pod, &mut pod);
    pod
}

#[tokio::test]
async fn every_pod_of_the_examples_is_stored_as_decided() -> Result<()> {
    let cluster = installed::examples().await?;
    // Kept to the end of the process: the API server goes on calling it for what other tests create in the examples.
    let witness: &Witness = Box::leak(Box::new(Witness::start("witness")?));
    // Before ours: it is called in the order of the names.
    let name = "a-witness";
    let examples = Example::all()?;
    for example in &examples {
        for mut object in example.namespace()?.into_iter().filter(|it| it["kind"] == "Namespace") {
            object = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": object["metadata"]["name"] } });
            let label = json!({ "metadata": { "labels": { registration::label(name): "" } } });
            cluster.objects().merge(&object, &label).await?;
        }
    }
    registration::mutating(cluster, name, &witness.webhook, "mini-visa").await?;

    let objects = Objects::new(cluster.client_as("witness", &["system:masters"]));
    let mut stored = 0;
    for example in &examples {
        let loaded = load(&[example.policies()]);
        for pod in example.pods()? {
            let what = || format!("{}: {}", example.name, pod["metadata"]);
            let answer = objects.dry_run_create(&pod).await.with_context(what)?;
            agree(&loaded, &witness.first()?, &answer).with_context(what)?;
            stored += 1;
        }
    }
    assert!(stored >= 25, "only {stored} pods were found");
    Ok(())
}

#[tokio::test]
async fn every_action_leaves_every_pod_valid_and_as_decided() -> Result<()> {
    let cluster = ControlPlane::shared().await;
    let policies = [data("every-action.yaml")];
    let loaded = load(&policies);
    let class = json!({
        "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
        "metadata": { "name": "every-action" }, "value": 1000, "preemptionPolicy": "Never",
    });
    cluster.objects().apply(&class).await?;
    let (ours, before) = ("every-action", "a-witness-of-every-action");
    let (our_label, its_label) = (registration::label(ours), registration::label(before));
    let namespace = cluster.namespace(&[(&our_label, ""), (&its_label, "")]).await?;
    let witness = Witness::start("corpus")?;
    let webhook = Webhook::start(program(), &policies).await?;
    registration::mutating(cluster, before, &witness.webhook, &namespace).await?;
    registration::mutating(cluster, ours, &webhook, &namespace).await?;

    let unseen = Objects::new(cluster.client_as("unseen", &["system:masters", UNSEEN]));
    let seen = Objects::new(cluster.client_as("corpus", &["system:masters"]));
    let (mut passed, mut invalid, mut wrong) = (0, 0, Vec::new());
    for (file, mut pod) in corpus()? {
        pod["metadata"]["namespace"] = json!(namespace);
        match unseen.dry_run_create(&pod).await {
            Ok(_) => {}
            Err(Error::Api(_)) => {
                invalid += 1;
                continue;
            }
            Err(error) => return Err(error.into()),
        }
        witness.seen.lock().unwrap().clear();
        match seen.dry_run_create(&pod).await {
            Ok(stored) => {
                if let Err(error) = agree(&loaded, &witness.first()?, &stored) {
                    wrong.push(format!("{file}: {error:#}"));
                }
                passed += 1;
            }
            Err(Error::Api(status)) => wrong.push(format!("{file} is refused: {}", status.message)),
            Err(error) => return Err(error.into()),
        }
    }
    let shown = wrong.iter().take(20).map(String::as_str).collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "{} are wrong:\n{shown}", wrong.len());
    println!("{passed} passed, {invalid} are invalid by themselves");
    assert!(passed > 100 && invalid * 10 < passed, "{passed} passed, {invalid} are invalid by themselves");
    Ok(())
}

/// The pods of the corpus and of the examples, each once, with a file that has it.
fn corpus() -> Result<Vec<(String, Value)>> {
    let mut folders = vec![programs::corpus("pod-security-admission")?];
    let mut pods = BTreeMap::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "yaml") {
                for mut pod in read(&path)? {
                    // The fixtures are named for their fields, which no name may be.
                    let name = pod["metadata"]["name"].as_str().unwrap_or_default().replace('_', "-");
                    pod["metadata"]["name"] = json!(name);
                    pods.insert(pod.to_string(), (path.display().to_string(), pod));
                }
            }
        }
    }
    for example in Example::all()? {
        for mut pod in example.pods()? {
            // Its account is in another namespace.
            pod["spec"].as_object_mut().context("a spec")?.remove("serviceAccountName");
            pods.insert(pod.to_string(), (format!("{}: {}", example.name, pod["metadata"]), pod));
        }
    }
    Ok(pods.into_values().collect())
}

#[test]
fn the_broad_policy_uses_every_action() -> Result<()> {
    let definition = sallyport::crds::all().into_iter().find(|(name, _)| name.contains("workloadpolicies"));
    let (_, definition) = definition.context("a definition of WorkloadPolicy")?;
    let entry = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/mutate/items/properties";
    let fields = at(&definition, entry).as_object().context("the fields of an entry")?;
    let policy = read(&data("every-action.yaml"))?.swap_remove(0);
    let used: Vec<&String> = policy["spec"]["mutate"]
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|entry| entry.as_object().into_iter().flatten().map(|(field, _)| field))
        .collect();
    let unused: Vec<_> = fields.keys().filter(|field| !used.contains(field)).collect();
    assert_eq!(unused, ["labels", "mode"], "only these are no actions");
    Ok(())
}

#[tokio::test]
async fn a_limit_range_s_amounts_give_way_and_an_author_s_do_not() -> Result<()> {
    let meeting = Meeting::start(
        "limits",
        "
        - name: sized
          resources: {requests: {cpu: 50m, memory: 32Mi}, limits: {memory: 128Mi}}
    ",
    )
    .await?;
    let limits = format!(
        "{{apiVersion: v1, kind: LimitRange, metadata: {{name: limits, namespace: {}}}, spec: {{limits: [
           {{type: Container, default: {{cpu: 1, memory: 64Mi}}, defaultRequest: {{cpu: 500m, memory: 64Mi}}}}]}}}}",
        meeting.namespace
    );
    meeting.cluster.objects().apply_yaml(&limits).await?;
    let pod = meeting.pod(json!({ "containers": [{ "name": "web", "image": "web:1" }] })).await?;
    assert_eq!(
        pod["spec"]["containers"][0]["resources"],
        json!({ "requests": { "cpu": "50m", "memory": "32Mi" }, "limits": { "cpu": "1", "memory": "128Mi" } })
    );
    let own = json!({ "requests": { "cpu": "200m", "memory": "48Mi" } });
    let pod =
        meeting.pod(json!({ "containers": [{ "name": "web", "image": "web:1", "resources": own }] })).await?;
    assert_eq!(
        pod["spec"]["containers"][0]["resources"],
        json!({ "requests": { "cpu": "200m", "memory": "48Mi" }, "limits": { "cpu": "1", "memory": "128Mi" } })
    );
    Ok(())
}

#[tokio::test]
async fn a_token_that_the_service_account_brought_goes_with_automount() -> Result<()> {
    let meeting = Meeting::start(
        "token",
        "
        - {name: no-token, automountServiceAccountToken: false}
        - {name: sidecar, sidecar: {container: {name: sidecar, image: \"sidecar:1\"}}}
    ",
    )
    .await?;
    let spec = json!({ "containers": [{ "name": "web", "image": "web:1" }] });
    let pod = meeting.pod(spec.clone()).await?;
    assert_eq!(pod["spec"]["automountServiceAccountToken"], false);
    assert_eq!(pod["spec"]["volumes"], Value::Null);
    for list in ["initContainers", "containers"] {
        assert_eq!(pod["spec"][list][0]["volumeMounts"], Value::Null, "{list}");
    }
    // Who asks for it keeps it, and the container that came later has it too.
    let mut asking = spec;
    asking["automountServiceAccountToken"] = json!(true);
    let pod = meeting.pod(asking).await?;
    for list in ["initContainers", "containers"] {
        assert_eq!(pod["spec"][list][0]["volumeMounts"].as_array().map(Vec::len), Some(1), "{list}");
    }
    Ok(())
}

#[tokio::test]
async fn a_priority_class_brings_its_own_priority() -> Result<()> {
    let meeting = Meeting::start(
        "priority",
        "
        - {name: class, priorityClassName: of-a-policy}
    ",
    )
    .await?;
    for (name, value, preemption) in
        [("of-a-policy", 1000, "Never"), ("of-its-author", 7, "PreemptLowerPriority")]
    {
        let class = json!({
            "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
            "metadata": { "name": name }, "value": value, "preemptionPolicy": preemption,
        });
        meeting.cluster.objects().apply(&class).await?;
    }
    let mut spec = json!({ "containers": [{ "name": "web", "image": "web:1" }] });
    let priority = |pod: &Value| {
        ["priorityClassName", "priority", "preemptionPolicy"].map(|field| pod["spec"][field].clone())
    };
    let pod = meeting.pod(spec.clone()).await?;
    assert_eq!(priority(&pod), [json!("of-a-policy"), json!(1000), json!("Never")]);
    spec["priorityClassName"] = json!("of-its-author");
    let pod = meeting.pod(spec).await?;
    assert_eq!(priority(&pod), [json!("of-its-author"), json!(7), json!("PreemptLowerPriority")]);
    Ok(())
}

#[tokio::test]
async fn what_an_author_said_of_one_container_stands_beside_the_pod_s() -> Result<()> {
    let meeting = Meeting::start(
        "decoys",
        "
        - name: restricted
          securityContext:
            pod: {runAsNonRoot: true, runAsUser: 1000, runAsGroup: 1000, appArmorProfile: {type: RuntimeDefault}}
        - name: profile
          strategy: Override
          securityContext: {pod: {seccompProfile: {type: RuntimeDefault}}}
    ",
    )
    .await?;
    let spec = json!({ "containers": [
        { "name": "web", "image": "web:1" },
        { "name": "decoy", "image": "decoy:1", "securityContext": { "runAsUser": 0 } },
    ] });
    let annotations = json!({
        "container.apparmor.security.beta.kubernetes.io/decoy": "unconfined",
        "seccomp.security.alpha.kubernetes.io/pod": "unconfined",
        "container.seccomp.security.alpha.kubernetes.io/decoy": "unconfined",
    });
    let pod = meeting.annotated_pod(annotations, spec).await?;
    let default = json!({ "type": "RuntimeDefault" });
    assert_eq!(pod["spec"]["securityContext"], json!({ "runAsUser": 1000, "appArmorProfile": default }));
    let context = |at: usize| pod["spec"]["containers"][at]["securityContext"].clone();
    let given = json!({ "runAsNonRoot": true, "runAsGroup": 1000, "seccompProfile": default });
    assert_eq!(context(0), given);
    assert_eq!(context(1), json!({ "runAsUser": 0, "appArmorProfile": { "type": "Unconfined" } }));
    Ok(())
}

#[tokio::test]
async fn ports_and_devices_that_are_taken_keep_a_pod_valid() -> Result<()> {
    let meeting = Meeting::start(
        "taken",
        "
        - name: metrics
          sidecar: {type: Classic, container: {name: metrics, image: \"metrics:1\", ports: [{containerPort: 9090}]}}
        - name: shipper
          strategy: Override
          sidecar:
            container: {name: shipper, image: \"shipper:1\", ports: [{name: metrics, containerPort: 9091}]}
        - name: writable
          writablePaths: [{path: /disk}, {path: /data, volume: disk}]
    ",
    )
    .await?;
    let pod = meeting
        .pod(json!({
            "hostNetwork": true,
            "initContainers": [{
                "name": "shipper", "image": "shipper:1", "restartPolicy": "Always",
                "ports": [{ "name": "metrics", "containerPort": 9092 }, { "name": "other", "containerPort": 9091 }],
            }],
            "containers": [{
                "name": "web", "image": "web:1", "ports": [{ "containerPort": 9090 }],
                "volumeDevices": [{ "name": "disk", "devicePath": "/disk" }],
            }],
            "volumes": [{ "name": "disk", "persistentVolumeClaim": { "claimName": "disk" } }],
        }))
        .await?;
    let names = |list: &Value| {
        let names = list.as_array().into_iter().flatten().map(|it| it["name"].clone());
        names.collect::<Vec<_>>()
    };
    assert_eq!(names(&pod["spec"]["containers"]), ["web"]);
    assert_eq!(names(&pod["spec"]["initContainers"][0]["ports"]), ["metrics"]);
    Ok(())
}

#[tokio::test]
async fn how_long_a_pod_stays_is_for_a_policy_to_say_unless_its_author_did() -> Result<()> {
    let meeting = Meeting::start(
        "stays",
        "
        - name: leaves-soon
          scheduling:
            tolerations:
            - {key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute, tolerationSeconds: 30}
            - {key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: 30}
    ",
    )
    .await?;
    let own = json!({
        "key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 600,
    });
    let containers = json!([{ "name": "web", "image": "web:1" }]);
    let pod = meeting.pod(json!({ "containers": containers, "tolerations": [own] })).await?;
    let tolerations = pod["spec"]["tolerations"].as_array().context("tolerations")?;
    let seconds: BTreeMap<_, _> = tolerations
        .iter()
        .map(|it| (it["key"].as_str().unwrap_or_default(), it["tolerationSeconds"].clone()))
        .collect();
    let wanted =
        [("node.kubernetes.io/not-ready", json!(30)), ("node.kubernetes.io/unreachable", json!(600))];
    assert_eq!(seconds, BTreeMap::from(wanted));
    assert_eq!(tolerations.len(), 2);
    Ok(())
}

/// A webhook with one policy, and a namespace before it.
struct Meeting {
    cluster: &'static ControlPlane,
    namespace: String,
    _webhook: Webhook,
    _policies: tempfile::TempDir,
}

impl Meeting {
    async fn start(name: &str, entries: &str) -> Result<Self> {
        let cluster = ControlPlane::shared().await;
        let policies = tempfile::tempdir()?;
        let head = format!(
            "apiVersion: sallyport.dev/v1alpha1\nkind: WorkloadPolicy\nmetadata: {{name: {name}}}\n\
             spec:\n  match: {{kinds: [Pod]}}\n  mutate:\n"
        );
        fs::write(policies.path().join("policy.yaml"), head + entries)?;
        let webhook = Webhook::start(program(), &[policies.path().to_owned()]).await?;
        let namespace = cluster.namespace(&[(&registration::label(name), "")]).await?;
        registration::mutating(cluster, name, &webhook, &namespace).await?;
        Ok(Self { cluster, namespace, _webhook: webhook, _policies: policies })
    }

    async fn pod(&self, spec: Value) -> Result<Value> {
        self.annotated_pod(json!({}), spec).await
    }

    async fn annotated_pod(&self, annotations: Value, spec: Value) -> Result<Value> {
        let metadata = json!({ "name": "web", "namespace": self.namespace, "annotations": annotations });
        let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec });
        Ok(self.cluster.objects().dry_run_create(&pod).await?)
    }
}
