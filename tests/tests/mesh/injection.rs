//! Beside Istio's own injector, whoever is called first: pods come out injected and hardened, once.

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use sallyport_tests::eventually::eventually;
use sallyport_tests::mesh::{Mesh, Reinvocation};
use sallyport_tests::registration;
use sallyport_tests::webhook::{Webhook, at};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use crate::{cluster, deployment, pod, program};

const POLICY: &str = r#"
apiVersion: sallyport.dev/v1alpha1
kind: WorkloadPolicy
metadata: {name: beside-istio}
spec:
  match: {kinds: [Pod]}
  mutate:
  - name: restricted
    securityContext:
      pod: {runAsNonRoot: true, runAsUser: 1000, seccompProfile: {type: RuntimeDefault}}
      container: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
  - name: tmp
    writablePaths: [{path: /tmp, sizeLimit: 1Mi}]
  - name: shipper
    sidecar: {container: {name: shipper, image: "registry.example.com/shipper:1"}}
  validate:
  - name: restricted
    podSecurity: {level: restricted, version: v1.36}
  - name: our-images
    cel:
      forEach: containers
      expression: item.image.startsWith("registry.example.com/")
      message: only our images
"#;

/// Sallyport is called before Istio's injector, or after it: webhooks are called in the order of their names.
const OURS: [&str; 2] = ["a-ours", "z-ours"];
const THEIRS: [(&str, Reinvocation); 2] =
    [("istio-as-charted", Reinvocation::Never), ("istio-called-again", Reinvocation::IfNeeded)];

/// Before both, in a namespace of its own.
struct Pair {
    namespace: String,
    ours: &'static str,
    theirs: &'static str,
}

struct Beside {
    pairs: Vec<Pair>,
    _mesh: Mesh,
    _policies: TempDir,
    _webhooks: Vec<Webhook>,
}

/// The namespaces, with both before them.
async fn pairs() -> Result<&'static [Pair]> {
    static BESIDE: OnceCell<Result<Beside, String>> = OnceCell::const_new();
    let start = async || Beside::start().await.map_err(|error| format!("{error:#}"));
    let beside = BESIDE.get_or_init(start).await.as_ref().map_err(|error| anyhow!("{error}"))?;
    Ok(&beside.pairs)
}

impl Beside {
    async fn start() -> Result<Self> {
        let cluster = cluster().await?;
        let mesh = Mesh::start(cluster).await?;
        let policies = tempfile::tempdir()?;
        std::fs::write(policies.path().join("policy.yaml"), POLICY)?;
        let mut pairs = Vec::new();
        for ours in OURS {
            for (theirs, _) in THEIRS {
                let (our_label, their_label) = (registration::label(ours), registration::label(theirs));
                let labels = [(&*our_label, ""), (&*their_label, ""), ("istio-injection", "enabled")];
                pairs.push(Pair { namespace: cluster.namespace(&labels).await?, ours, theirs });
            }
        }
        let of = |test: &dyn Fn(&Pair) -> bool| {
            let found = pairs.iter().find(|pair| test(pair)).map(|pair| pair.namespace.clone());
            found.context("a namespace for each webhook")
        };
        for (theirs, reinvocation) in THEIRS {
            mesh.inject(cluster, theirs, &of(&|pair| pair.theirs == theirs)?, reinvocation).await?;
        }
        let mut webhooks = Vec::new();
        for ours in OURS {
            let webhook = Webhook::start(program(), &[policies.path().to_owned()]).await?;
            let namespace = of(&|pair| pair.ours == ours)?;
            registration::mutating(cluster, ours, &webhook, &namespace).await?;
            registration::validating(cluster, ours, &webhook, &namespace).await?;
            webhooks.push(webhook);
        }
        Ok(Self { pairs, _mesh: mesh, _policies: policies, _webhooks: webhooks })
    }
}

/// The container of this name, of whatever type.
fn container<'p>(pod: &'p Value, name: &str) -> Result<&'p Value> {
    let lists = ["initContainers", "containers"].map(|list| pod["spec"][list].as_array());
    let mut named = lists.into_iter().flatten().flatten().filter(|it| it["name"] == name);
    let found = named.next().with_context(|| format!("no container {name} in {pod}"))?;
    ensure!(named.next().is_none(), "{name} is there twice");
    Ok(found)
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_of_a_deployment_come_out_injected_and_hardened_whoever_is_called_first() -> Result<()> {
    let pairs = pairs().await?;
    let objects = cluster().await?.objects();
    for pair in pairs {
        objects.create(&deployment(&pair.namespace, "web", &json!({}))).await?;
    }
    for Pair { namespace, ours, theirs } in pairs {
        let like_it = pod(namespace, "web");
        let stored =
            eventually("the controllers have made a pod", async || objects.list(&like_it).await.ok()?.pop());
        let stored = stored.await.with_context(|| format!("{ours} {theirs}"))?;
        holds(&stored).with_context(|| format!("{ours} beside {theirs}: {stored}"))?;

        // What is stored, sent again, is as it was.
        let again = objects.dry_run_create(&again(&stored)?).await?;
        for part in ["/spec", "/metadata/labels", "/metadata/annotations"] {
            let changes = json_patch::diff(at(&stored, part), at(&again, part));
            ensure!(changes.is_empty(), "{ours} beside {theirs}: {changes:?}");
        }
    }
    Ok(())
}

/// A pod as whoever made it would send another like it.
fn again(made: &Value) -> Result<Value> {
    let mut again = made.clone();
    // What was listed doesn't say what it is.
    (again["apiVersion"], again["kind"]) = (json!("v1"), json!("Pod"));
    again.as_object_mut().context("a pod is an object")?.remove("status");
    let metadata = again["metadata"].as_object_mut().context("a pod has metadata")?;
    let is_numbered = metadata.contains_key("generateName");
    let of_the_one = ["uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"];
    metadata.retain(|field, _| !(of_the_one.contains(&&**field) || is_numbered && field == "name"));
    Ok(again)
}

/// What each of the two wants of the pod.
fn holds(pod: &Value) -> Result<()> {
    for name in ["app", "shipper"] {
        let context = &container(pod, name)?["securityContext"];
        ensure!(context["capabilities"] == json!({ "drop": ["ALL"] }), "{name}: {context}");
        ensure!(context["allowPrivilegeEscalation"] == false, "{name}: {context}");
    }
    ensure!(pod["spec"]["securityContext"]["runAsNonRoot"] == true, "{}", pod["spec"]["securityContext"]);
    // Istio's own containers are as Istio wants them, though that is more than the policy allows.
    let init = &container(pod, "istio-init")?["securityContext"];
    ensure!(
        init["runAsUser"] == 0 && at(init, "/capabilities/add") == &json!(["NET_ADMIN", "NET_RAW"]),
        "{init}"
    );
    let proxy = container(pod, "istio-proxy")?;
    ensure!(proxy["securityContext"]["runAsUser"] == 1337, "{proxy}");
    for (name, wanted) in [("app", 1), ("shipper", 1), ("istio-init", 0), ("istio-proxy", 0)] {
        let mounts = container(pod, name)?["volumeMounts"].as_array().into_iter().flatten();
        let found = mounts.filter(|mount| mount["mountPath"] == "/tmp").count();
        ensure!(found == wanted, "{name} has {found} mounts at /tmp");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_only_called_as_istio_s_containers_are_does_not_pass() -> Result<()> {
    let objects = cluster().await?.objects();
    let Pair { namespace, .. } = pairs().await?.first().context("a namespace")?;
    let injected = objects.dry_run_create(&pod(namespace, "web")).await?;
    // istiod stays away, and does not put its own in their place.
    let mut injected = again(&injected)?;
    injected["metadata"]["labels"]["sidecar.istio.io/inject"] = json!("false");
    objects.dry_run_create(&injected).await?;
    for (name, field, foreign) in [
        ("istio-init", "image", "docker.io/evil/proxyv2:1"),
        ("istio-init", "name", "setup"),
        ("istio-proxy", "image", "docker.io/evil/proxyv2:1"),
        ("istio-proxy", "name", "proxy"),
    ] {
        let mut forged = injected.clone();
        let lists = forged["spec"].as_object_mut().context("a pod has a spec")?.values_mut();
        let mut containers = lists.filter_map(Value::as_array_mut).flatten();
        let container = containers.find(|it| it["name"] == name).context("it is injected")?;
        container[field] = json!(foreign);
        let refused = objects.dry_run_create(&forged).await;
        let Err(kube::Error::Api(refused)) = refused else { bail!("{name} was not refused: {refused:?}") };
        ensure!(refused.message.contains("beside-istio/our-images"), "{}", refused.message);
    }
    Ok(())
}
