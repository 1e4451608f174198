//! What the API server does with verdicts: modes, updates, subresources, connections, controllers, exceptions, and what
//! happens when nobody answers.

use std::fs;

use anyhow::{Result, ensure};
use kube::{Client, Error};
use sallyport_tests::control_plane::ControlPlane;
use sallyport_tests::objects::Objects;
use sallyport_tests::registration;
use sallyport_tests::webhook::Webhook;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::program;

/// A webhook with these policies before one namespace, and a way past it.
struct Gate {
    cluster: &'static ControlPlane,
    webhook: Webhook,
    namespace: String,
    /// Not before the webhook yet: what is created now is older than its policies.
    registered: &'static str,
    policies: TempDir,
}

impl Gate {
    async fn prepare(name: &'static str, policies: &str) -> Result<Self> {
        let cluster = ControlPlane::shared().await;
        let folder = tempfile::tempdir()?;
        let namespace = cluster.namespace(&[(&registration::label(name), "")]).await?;
        fs::write(folder.path().join("policies.yaml"), policies.replace("NAMESPACE", &namespace))?;
        let webhook = Webhook::start(program(), &[folder.path().to_owned()]).await?;
        Ok(Self { cluster, webhook, namespace, registered: name, policies: folder })
    }

    async fn register(&self) -> Result<()> {
        registration::validating(self.cluster, self.registered, &self.webhook, &self.namespace).await
    }

    async fn start(name: &'static str, policies: &str) -> Result<Self> {
        let gate = Self::prepare(name, policies).await?;
        gate.register().await?;
        Ok(gate)
    }

    fn objects(&self) -> Objects {
        self.cluster.objects()
    }

    fn pod(&self, name: &str, image: &str) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": { "name": name, "namespace": self.namespace, "labels": { "app": name } },
            "spec": { "containers": [{ "name": "web", "image": image }] },
        })
    }
}

/// What a refusal says; an error where there is none.
fn refusal<T: std::fmt::Debug>(answer: Result<T, Error>) -> Result<String> {
    match answer {
        Err(Error::Api(status)) if status.code == 403 => Ok(status.message.clone()),
        other => anyhow::bail!("expected a refusal, got {other:?}"),
    }
}

const IMAGES: &str = r#"
apiVersion: sallyport.dev/v1alpha1
kind: WorkloadPolicy
metadata: {name: images}
spec:
  match: {kinds: [Pod]}
  validate:
  - {name: known, cel: {forEach: containers, expression: "!item.image.startsWith('bad')", message: found a bad image}}
"#;

#[tokio::test]
async fn a_refusal_names_policy_entry_and_field_of_every_violation() -> Result<()> {
    let gate = Gate::start("verdicts-refusal", IMAGES).await?;
    let mut pod = gate.pod("web", "bad:1");
    pod["spec"]["initContainers"] =
        json!([{ "name": "init", "image": "bad:1" }, { "name": "ok", "image": "ok:1" }]);
    let message = refusal(gate.objects().create(&pod).await)?;
    let want = "denied the request: images/known: spec.initContainers[init]: found a bad image\n\
                images/known: spec.containers[web]: found a bad image";
    ensure!(message.ends_with(want), "{message}");
    gate.objects().create(&gate.pod("web", "ok:1")).await?;
    Ok(())
}

#[tokio::test]
async fn warn_warns_and_audit_is_silent() -> Result<()> {
    let policies = IMAGES.replace("spec:\n", "spec:\n  mode: Warn\n")
        + "---"
        + &IMAGES.replace("name: images", "name: silent").replace("spec:\n", "spec:\n  mode: Audit\n");
    let gate = Gate::start("verdicts-warn", &policies).await?;
    let answer = gate.objects().create_strictly(&gate.pod("web", "bad:1"), false).await?;
    assert_eq!(answer.warnings, ["299 - \"images/known: spec.containers[web]: found a bad image\""]);
    Ok(())
}

#[tokio::test]
async fn what_was_there_before_its_policy_can_be_cleaned_up_and_not_made_worse() -> Result<()> {
    let gate = Gate::prepare("verdicts-updates", IMAGES).await?;
    let mut pod = gate.pod("web", "bad:1");
    pod["metadata"]["finalizers"] = json!(["example.com/hold"]);
    let objects = gate.objects();
    let pod = objects.create(&pod).await?;
    gate.register().await?;

    objects.merge(&pod, &json!({ "metadata": { "annotations": { "cni": "10.0.0.1" } } })).await?;
    let mut worse = objects.get(&pod).await?;
    worse["spec"]["containers"][0]["image"] = json!("bad:2");
    refusal(objects.replace(&worse, None).await)?;
    refusal(objects.merge(&pod, &json!({ "spec": { "activeDeadlineSeconds": 60 } })).await)?;
    objects.delete(&pod).await?;
    objects.merge(&pod, &json!({ "metadata": { "finalizers": null } })).await?;
    let gone = objects.get(&pod).await;
    ensure!(matches!(&gone, Err(Error::Api(status)) if status.code == 404), "{gone:?}");
    Ok(())
}

#[tokio::test]
async fn ephemeral_containers_and_resizes_are_judged() -> Result<()> {
    let policies = IMAGES.to_owned()
        + "  - {name: small, cel: {forEach: containers, expression: \"item.?resources.?limits.?cpu.orValue('0') != '9'\"}}\n";
    let gate = Gate::start("verdicts-subresources", &policies).await?;
    let objects = gate.objects();
    let mut pod = gate.pod("web", "ok:1");
    pod["spec"]["containers"][0]["resources"] =
        json!({ "requests": { "cpu": "1" }, "limits": { "cpu": "2" } });
    let pod = objects.create(&pod).await?;
    let mut debugged = pod.clone();
    debugged["spec"]["ephemeralContainers"] = json!([{ "name": "debug", "image": "bad:1" }]);
    let message = refusal(objects.replace(&debugged, Some("ephemeralcontainers")).await)?;
    ensure!(message.contains("spec.ephemeralContainers[debug]: found a bad image"), "{message}");
    let mut resized = pod.clone();
    resized["spec"]["containers"][0]["resources"]["limits"]["cpu"] = json!("9");
    let message = refusal(objects.replace(&resized, Some("resize")).await)?;
    ensure!(message.contains("images/small: spec.containers[web]"), "{message}");
    Ok(())
}

const LABELLED: &str = r#"
apiVersion: sallyport.dev/v1alpha1
kind: WorkloadPolicy
metadata: {name: labelled}
spec:
  match: {kinds: [Pod]}
  validate:
  - {name: app, metadata: {requiredLabels: [app], requiredAnnotations: [owner]}}
"#;

#[tokio::test]
async fn no_subresource_changes_labels_and_annotations_unjudged() -> Result<()> {
    let gate = Gate::prepare("verdicts-subresource-metadata", LABELLED).await?;
    let shown = crate::docs::shown("validate.sallyport.dev")?;
    let namespace = &gate.namespace;
    registration::validating_as(gate.cluster, gate.registered, &gate.webhook, namespace, &shown).await?;
    let objects = gate.objects();
    let mut pod = gate.pod("web", "ok:1");
    pod["metadata"]["annotations"] = json!({ "owner": "shop" });
    let pod = objects.create(&pod).await?;
    let asked = async || gate.webhook.metric("sallyport_admission_requests_total", &[]).await;

    let mut relabelled = pod.clone();
    relabelled["metadata"]["labels"] = json!({});
    let message = refusal(objects.replace(&relabelled, Some("status")).await)?;
    ensure!(message.contains("labelled/app: metadata.labels"), "{message}");
    let mut disowned = pod.clone();
    disowned["metadata"]["annotations"] = json!({});
    let message = refusal(objects.replace(&disowned, Some("status")).await)?;
    ensure!(message.contains("labelled/app: metadata.annotations"), "{message}");

    let binding = |metadata: Value| {
        let mut binding = json!({
            "apiVersion": "v1", "kind": "Binding",
            "metadata": { "name": "web", "namespace": namespace },
            "target": { "apiVersion": "v1", "kind": "Node", "name": "n1" },
        });
        let own = binding["metadata"].as_object_mut().expect("it is an object");
        own.extend(metadata.as_object().cloned().unwrap_or_default());
        binding
    };
    let annotated = binding(json!({ "annotations": { "owner": "me" } }));
    let message = refusal(objects.create(&annotated).await)?;
    ensure!(message.contains("labelled: metadata.annotations[owner]: found on a binding"), "{message}");
    let labelled = binding(json!({ "labels": { "app": "free" } }));
    let message = refusal(objects.create(&labelled).await)?;
    ensure!(message.contains("labelled: metadata.labels[app]: found on a binding"), "{message}");

    // What kubelets and the scheduler write all day is not asked about.
    let before = asked().await?;
    let mut running = pod.clone();
    running["status"]["message"] = json!("it runs");
    objects.replace(&running, Some("status")).await?;
    objects.create(&binding(json!({}))).await?;
    assert_eq!(asked().await?, before);
    assert_eq!(objects.get(&pod).await?["spec"]["nodeName"], "n1");
    Ok(())
}

const EXEC: &str = r#"
apiVersion: sallyport.dev/v1alpha1
kind: WorkloadPolicy
metadata: {name: no-shells}
spec:
  match: {kinds: [PodExecOptions, PodAttachOptions, PodPortForwardOptions], operations: [CONNECT]}
  validate:
  - name: exec
    when: object.kind == "PodExecOptions"
    cel:
      expression: object.command != ["sh"] || request.userInfo.username == "admin"
      message: no shells in production
  - name: others
    when: object.kind != "PodExecOptions"
    cel: {expression: request.userInfo.username == "admin", message: only for the admin}
"#;

/// The status with which the API server answers a connection to a pod that no kubelet runs.
async fn connect(client: Client, path: String) -> Result<(u16, String)> {
    let request = http::Request::post(path).body(Vec::new())?;
    match client.request_text(request).await {
        Ok(text) => Ok((200, text)),
        Err(Error::Api(status)) => Ok((status.code, status.message.clone())),
        Err(error) => Err(error.into()),
    }
}

#[tokio::test]
async fn connections_are_decided() -> Result<()> {
    let gate = Gate::start("verdicts-connect", EXEC).await?;
    gate.objects().create(&gate.pod("web", "ok:1")).await?;
    let path = |rest: &str| format!("/api/v1/namespaces/{}/pods/web/{rest}", gate.namespace);
    let user = |user: &str| gate.cluster.client_as(user, &["system:masters"]);
    let (code, message) = connect(user("jane"), path("exec?command=sh&stdout=true")).await?;
    ensure!(code == 403 && message.contains("no-shells/exec: no shells in production"), "{code} {message}");
    for rest in ["attach?stdout=true", "portforward?ports=80"] {
        let (code, message) = connect(user("jane"), path(rest)).await?;
        ensure!(code == 403 && message.contains("no-shells/others: only for the admin"), "{code} {message}");
    }
    for (who, rest) in [("jane", "exec?command=ls&stdout=true"), ("admin", "exec?command=sh&stdout=true")] {
        let (code, message) = connect(user(who), path(rest)).await?;
        ensure!(code == 400 && message.contains("does not have a host assigned"), "{code} {message}");
    }
    Ok(())
}

#[tokio::test]
async fn controllers_are_judged_by_their_pods() -> Result<()> {
    let gate = Gate::start("verdicts-controllers", IMAGES).await?;
    let enforcing = IMAGES.replace("spec:\n", "spec:\n  controllers: Enforce\n");
    let enforcing = Gate::start("verdicts-controllers-enforce", &enforcing).await?;
    let template = |pod: &Value| json!({ "metadata": { "labels": { "app": "web" } }, "spec": pod["spec"] });
    for (api_version, kind) in [
        ("apps/v1", "Deployment"),
        ("apps/v1", "ReplicaSet"),
        ("apps/v1", "StatefulSet"),
        ("apps/v1", "DaemonSet"),
        ("v1", "ReplicationController"),
        ("batch/v1", "Job"),
        ("batch/v1", "CronJob"),
        ("v1", "PodTemplate"),
    ] {
        let made = |gate: &Gate, image: &str| {
            let mut pod = gate.pod("web", image);
            let labels = json!({ "app": "web" });
            if matches!(kind, "Job" | "CronJob") {
                pod["spec"]["restartPolicy"] = json!("Never");
            }
            let template = template(&pod);
            let metadata = json!({ "name": "web", "namespace": gate.namespace });
            let mut object = json!({ "apiVersion": api_version, "kind": kind, "metadata": metadata });
            match kind {
                "PodTemplate" => object["template"] = template,
                "Job" => object["spec"] = json!({ "template": template }),
                "CronJob" => {
                    let job = json!({ "spec": { "template": template } });
                    object["spec"] = json!({ "schedule": "@daily", "jobTemplate": job });
                }
                "ReplicationController" => {
                    object["spec"] = json!({ "selector": labels, "template": template });
                }
                _ => object["spec"] = json!({ "selector": { "matchLabels": labels }, "template": template }),
            }
            object
        };
        let at = match kind {
            "PodTemplate" => "template.",
            "CronJob" => "spec.jobTemplate.spec.template.",
            _ => "spec.template.",
        };
        let want = format!("images/known: {at}spec.containers[web]: found a bad image");
        let answer = gate.objects().create_strictly(&made(&gate, "bad:1"), true).await?;
        let warnings = answer.warnings.join("\n");
        ensure!(warnings.contains(&want), "{kind}: {warnings}");
        let refused = enforcing.objects().create(&made(&enforcing, "bad:1")).await;
        let message = refusal(refused)?;
        ensure!(message.contains(&want), "{kind}: {message}");
        enforcing.objects().create(&made(&enforcing, "ok:1")).await?;
    }
    Ok(())
}

const EXCEPTION: &str = r#"---
apiVersion: sallyport.dev/v1alpha1
kind: PolicyException
metadata: {name: legacy, namespace: NAMESPACE}
spec:
  policies: [{name: images, entries: [known]}]
  match: {names: ["legacy-*"]}
  expires: 2999-01-01T00:00:00Z
  reason: until it is rebuilt
"#;

#[tokio::test]
async fn an_exception_lets_in_what_it_names_where_the_policy_honours_it() -> Result<()> {
    let honouring = IMAGES.replace("spec:\n", "spec:\n  exceptions: {namespaces: [NAMESPACE]}\n") + EXCEPTION;
    let gate = Gate::start("verdicts-exception", &honouring).await?;
    gate.objects().create(&gate.pod("legacy-web", "bad:1")).await?;
    refusal(gate.objects().create(&gate.pod("web", "bad:1")).await)?;
    // What is not honoured is as if it weren't there.
    let gate = Gate::start("verdicts-exception-not", &(IMAGES.to_owned() + EXCEPTION)).await?;
    refusal(gate.objects().create(&gate.pod("legacy-web", "bad:1")).await)?;
    Ok(())
}

#[tokio::test]
async fn a_mirror_pod_of_another_than_its_kubelet_is_refused() -> Result<()> {
    let gate = Gate::start("verdicts-mirror", IMAGES).await?;
    let mut mirror = gate.pod("mirror", "bad:1");
    mirror["metadata"]["annotations"] = json!({ "kubernetes.io/config.mirror": "0a1b" });
    mirror["spec"]["nodeName"] = json!("n1");
    let by = |user: &str| Objects::new(gate.cluster.client_as(user, &["system:masters"]));
    let message = refusal(by("jane").dry_run_create(&mirror).await)?;
    ensure!(message.contains("only the kubelet of the pod's own node makes mirror pods"), "{message}");
    refusal(by("system:node:n2").dry_run_create(&mirror).await)?;
    by("system:node:n1").dry_run_create(&mirror).await?;
    Ok(())
}

#[tokio::test]
async fn each_entry_decides_its_own_policies_and_fails_its_own_way() -> Result<()> {
    let lenient = IMAGES.replace("name: images", "name: lenient").replace("'bad'", "'old'");
    let lenient = lenient.replace("spec:\n", "spec:\n  failurePolicy: Ignore\n");
    let (name, policies) = ("verdicts-failing", IMAGES.to_owned() + "---" + &lenient);
    let gate = Gate::prepare(name, &policies).await?;
    let both = [("/validate/fail", "Fail"), ("/validate/ignore", "Ignore")];
    registration::validating_at(gate.cluster, name, &gate.webhook, &gate.namespace, &both).await?;
    let objects = gate.objects();
    for (image, entry) in [("bad:1", "fail"), ("old:1", "ignore")] {
        let message = refusal(objects.dry_run_create(&gate.pod("web", image)).await)?;
        ensure!(message.contains(&format!("{name}.{entry}.tests.sallyport.dev")), "{message}");
    }
    objects.dry_run_create(&gate.pod("web", "ok:1")).await?;

    // One whose webhook entry fails open, one whose entry fails closed, and then nobody answers.
    let (open, policies) = ("verdicts-failing-open", gate.policies.path().to_owned());
    let namespace = gate.cluster.namespace(&[(&registration::label(open), "")]).await?;
    let mut second = Webhook::start(program(), &[policies]).await?;
    let ignore = [("/validate/ignore", "Ignore")];
    registration::validating_at(gate.cluster, open, &second, &namespace, &ignore).await?;
    let mut pod = gate.pod("web", "old:1");
    pod["metadata"]["namespace"] = json!(namespace);
    refusal(objects.dry_run_create(&pod).await)?;
    second.ask_to_end()?;
    second.ended().await?;
    objects.dry_run_create(&pod).await?;
    let Gate { mut webhook, namespace, .. } = gate;
    webhook.ask_to_end()?;
    webhook.ended().await?;
    pod["metadata"]["namespace"] = json!(namespace);
    let unanswered = objects.dry_run_create(&pod).await;
    ensure!(matches!(&unanswered, Err(Error::Api(status)) if status.code == 500), "{unanswered:?}");
    Ok(())
}

#[tokio::test]
async fn the_control_plane_starts_whatever_a_policy_says() -> Result<()> {
    let everything = r#"
apiVersion: sallyport.dev/v1alpha1
kind: WorkloadPolicy
metadata: {name: nothing-at-all}
spec:
  match: {kinds: ["*"], operations: [CREATE, UPDATE, DELETE]}
  validate: [{name: nothing, cel: {expression: "false", message: nothing may change}}]
"#;
    let name = "verdicts-control-plane";
    let gate = Gate::start(name, everything).await?;
    let objects = gate.objects();
    refusal(objects.dry_run_create(&gate.pod("web", "ok:1")).await)?;
    let label = json!({ "metadata": { "labels": { registration::label(name): "" } } });
    let lease = |namespace: &str| {
        json!({ "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": { "name": "leader", "namespace": namespace } })
    };
    let map = |namespace: &str| json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name, "namespace": namespace } });
    objects.dry_run_create(&lease(&gate.namespace)).await?;
    refusal(objects.dry_run_create(&map(&gate.namespace)).await)?;
    for namespace in ["kube-system", "kube-node-lease"] {
        let there = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } });
        objects.apply(&there).await?;
        objects.merge(&there, &label).await?;
        objects.dry_run_create(&map(namespace)).await?;
        objects.dry_run_create(&lease(namespace)).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_decision_ends_whatever_the_object() -> Result<()> {
    let costly = r#"
apiVersion: sallyport.dev/v1alpha1
kind: WorkloadPolicy
metadata: {name: costly}
spec:
  match: {kinds: [Pod]}
  validate:
  - name: no-two-alike
    cel:
      expression: object.spec.containers[0].?env.orValue([]).all(a, object.spec.containers[0].env.exists_one(b, b.name == a.name))
  - name: told
    mode: Warn
    cel: {forEach: containers, expression: "!has(item.env)", messageExpression: "'env '.replace('e', item.env.map(e, e.name).join('')) + 'x'"}
"#;
    let gate = Gate::start("verdicts-costly", costly).await?;
    let with_env = |count: usize| {
        let mut pod = gate.pod("web", "ok:1");
        let env = (0..count).map(|i| json!({ "name": format!("A{i}"), "value": "x" }));
        pod["spec"]["containers"][0]["env"] = env.collect::<Vec<_>>().into();
        pod
    };
    let answer = gate.objects().create_strictly(&with_env(200), true).await?;
    ensure!(answer.warnings.len() == 1 && answer.warnings[0].len() < 300, "{:?}", answer.warnings);
    let message = refusal(gate.objects().dry_run_create(&with_env(10_000)).await)?;
    ensure!(
        message.contains("costly/no-two-alike: ") && message.contains("failurePolicy is Fail"),
        "{message}"
    );
    Ok(())
}
