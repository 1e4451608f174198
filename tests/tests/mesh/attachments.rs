//! TrafficPolicies reach the proxies of a mesh, as clients see it.

use anyhow::{Context as _, Result, ensure};
use http::{Request, Response, StatusCode};
use sallyport_tests::eventually::eventually;
use sallyport_tests::proxy::{Client, Conduct, KeyHost, Module, send};
use sallyport_tests::replica::{Port, Replica, Service, condition, install};
use sallyport_tests::tokens::{Signer, claims, key_set};
use serde_json::{Value, json};

use crate::program;
use crate::way::Way;

/// A mesh in which Sallyport attaches policies.
struct Guarded {
    way: Way,
    replica: Replica,
    filters: Service,
    _webhook: Service,
}

impl Guarded {
    /// Its proxies get the filter.
    async fn start(flags: &[&str]) -> Result<Self> {
        let guarded = Self::start_without_filter(flags).await?;
        guarded.filters.has(&[&guarded.replica]);
        Ok(guarded)
    }

    /// They don't, until `filters` has the replica.
    async fn start_without_filter(flags: &[&str]) -> Result<Self> {
        let way = Way::start().await?;
        way.told().await?;
        install(&way.cluster).await?;
        let (webhook, filters) = (Service::start().await?, Service::start_for(Port::Filter).await?);
        let module = Module::built()?.path.display().to_string();
        let own = ["--filter", &module, "--filter-url", filters.url()];
        let flags: Vec<&str> = own.iter().chain(flags).copied().collect();
        let replica = Replica::start(&way.cluster, program(), "one", webhook.url(), &flags).await?;
        webhook.has(&[&replica]);
        Ok(Self { way, replica, filters, _webhook: webhook })
    }

    fn policy(&self, name: &str, spec: &Value) -> Value {
        json!({
            "apiVersion": "sallyport.dev/v1alpha1",
            "kind": "TrafficPolicy",
            "metadata": { "name": name, "namespace": self.way.namespace },
            "spec": spec,
        })
    }

    async fn ask(&self, token: Option<&str>) -> Result<Response<bytes::Bytes>> {
        let mut request = Request::get("/hello");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        send(self.way.gateway.address(), request.body("")?).await
    }

    /// Returns once requests are answered so.
    async fn answers(&self, what: &str, is_so: impl Fn(&Response<bytes::Bytes>) -> bool) -> Result<()> {
        let answered = eventually(what, async || is_so(&self.ask(None).await.ok()?).then_some(()));
        let last = answered.await;
        if last.is_err() {
            let answer = self.ask(None).await?;
            return last.with_context(|| {
                format!(
                    "{answer:?}\n{}\n{}\n{}",
                    self.way.gateway.output(),
                    self.way.sidecar.output(),
                    self.replica.log().text()
                )
            });
        }
        last
    }

    /// What a condition of the policy says: `True Attached: by what`.
    async fn said(&self, policy: &Value, kind: &str) -> Result<String> {
        let said = condition(&self.way.cluster, policy, kind).await?;
        let text = |field: &str| said[field].as_str().unwrap_or_default().to_owned();
        Ok(format!("{} {}: {}", text("status"), text("reason"), text("message")))
    }
}

/// What a policy does that has the application's answers marked so.
fn marking(mark: &str) -> Value {
    json!({ "response": { "set": [{ "name": "x-marked", "value": mark }] } })
}

fn mark(answer: &Response<bytes::Bytes>) -> Option<&str> {
    answer.headers().get("x-marked")?.to_str().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_resource_attaches_a_policy_changes_it_and_goes_with_it() -> Result<()> {
    let guarded = Guarded::start(&[]).await?;
    let objects = guarded.way.cluster.objects();
    let service = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": { "name": "web", "namespace": guarded.way.namespace },
        "spec": { "selector": { "app": "web" }, "ports": [{ "port": 80 }] },
    });
    objects.create(&service).await?;
    let gateway = json!({ "targetRefs": [{ "kind": "Gateway", "name": "edge" }] });
    let behind_service = json!({ "targetRefs": [{ "kind": "Service", "name": "web" }] });
    let edge = json!({ "selector": { "matchLabels": { "app": "edge" } } });
    let web = json!({ "selector": { "matchLabels": { "app": "web" } } });
    for (attach, whom, by, target) in [
        ("EnvoyFilter", &edge, "EnvoyFilter", "pods"),
        ("EnvoyFilter", &web, "EnvoyFilter", "pods"),
        ("Auto", &web, "EnvoyFilter", "pods"),
        ("WasmPlugin", &gateway, "WasmPlugin", "target-1"),
        ("WasmPlugin", &behind_service, "WasmPlugin", "target-1"),
        ("TrafficExtension", &gateway, "TrafficExtension", "target-1"),
        ("Auto", &behind_service, "WasmPlugin", "target-1"),
    ] {
        let mut spec = whom.clone();
        spec["attach"] = attach.into();
        spec["headers"] = marking("one");
        let policy = guarded.policy("marks", &spec);
        objects.create(&policy).await?;
        guarded
            .answers("answers are marked", |answer| mark(answer) == Some("one"))
            .await
            .context(spec.to_string())?;
        let said = guarded.said(&policy, "Attached").await?;
        let wanted = format!(
            "True Attached: {by} sallyport-marks.{target}; 1 of the 1 pods that it selects have a proxy of the mesh"
        );
        ensure!(said == wanted, "{said}");
        objects.merge(&policy, &json!({ "spec": { "headers": marking("two") } })).await?;
        guarded.answers("answers are marked otherwise", |answer| mark(answer) == Some("two")).await?;
        objects.delete(&policy).await?;
        guarded
            .answers("answers are not marked", |answer| {
                mark(answer).is_none() && answer.status() == StatusCode::OK
            })
            .await?;
    }
    Ok(())
}

/// The configuration comes by itself, and not with the listener.
#[tokio::test(flavor = "multi_thread")]
async fn a_policy_changes_under_load_and_no_request_fails() -> Result<()> {
    let guarded = Guarded::start(&[]).await?;
    let objects = guarded.way.cluster.objects();
    let spec = json!({ "selector": { "matchLabels": { "app": "edge" } }, "headers": marking("0") });
    let policy = guarded.policy("marks", &spec);
    objects.create(&policy).await?;
    // With the filter comes another listener: who was connected before is asked to leave, and nobody later.
    guarded.answers("answers are marked", |answer| mark(answer) == Some("0")).await?;
    let address = guarded.way.gateway.address();
    let (end, mut ended) = tokio::sync::watch::channel(false);
    let load = tokio::spawn(async move {
        // One connection for all: it must outlive every change.
        let mut client = Client::connect(address).await?;
        let mut answered = 0;
        while !*ended.borrow_and_update() {
            let answer = client.send(Request::get("/hello").body("")?).await?;
            ensure!(answer.status() == StatusCode::OK && mark(&answer).is_some(), "{answer:?}");
            let answer = send(address, Request::get("/hello").body("")?).await?;
            ensure!(answer.status() == StatusCode::OK && mark(&answer).is_some(), "{answer:?}");
            answered += 2;
        }
        Ok(answered)
    });
    for change in 1..=8 {
        let now = change.to_string();
        objects.merge(&policy, &json!({ "spec": { "headers": marking(&now) } })).await?;
        guarded.answers("the change is there", |answer| mark(answer) == Some(&now)).await?;
    }
    end.send_replace(true);
    let answered = load.await??;
    ensure!(answered > 0, "nothing was asked meanwhile");
    Ok(())
}

/// A proxy that can't get the filter refuses everything, so none is told of one that is not there.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_told_of_a_filter_that_is_away() -> Result<()> {
    let guarded = Guarded::start_without_filter(&[]).await?;
    let objects = guarded.way.cluster.objects();
    let policy = guarded.policy("marks", &json!({ "selector": {}, "headers": marking("one") }));
    objects.create(&policy).await?;
    let said = guarded.said(&policy, "Attached").await?;
    ensure!(said.starts_with("False FilterAway: proxies would not get the filter"), "{said}");
    ensure!(guarded.ask(None).await?.status() == StatusCode::OK, "nobody was told of it");
    guarded.filters.has(&[&guarded.replica]);
    guarded.answers("answers are marked", |answer| mark(answer) == Some("one")).await?;
    // Where proxies lose it afterwards, nothing changes: they have it.
    guarded.filters.has(&[]);
    objects.merge(&policy, &json!({ "spec": { "headers": marking("two") } })).await?;
    let said = guarded.said(&policy, "Attached").await?;
    ensure!(said.starts_with("False FilterAway"), "{said}");
    ensure!(mark(&guarded.ask(None).await?) == Some("one"), "what was attached stays");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_changes_is_put_right() -> Result<()> {
    let guarded = Guarded::start(&[]).await?;
    let objects = guarded.way.cluster.objects();
    let policy = guarded.policy(
        "marks",
        &json!({ "selector": { "matchLabels": { "app": "edge" } }, "headers": marking("one") }),
    );
    objects.create(&policy).await?;
    guarded.answers("answers are marked", |answer| mark(answer) == Some("one")).await?;
    let attachment = json!({ "apiVersion": "networking.istio.io/v1alpha3", "kind": "EnvoyFilter",
        "metadata": { "name": "sallyport-marks.pods", "namespace": guarded.way.namespace } });
    let refused = objects.merge(&attachment, &json!({ "spec": { "configPatches": [] } })).await;
    ensure!(refused.is_err(), "the guard lets nobody else change it: {refused:?}");
    // While Sallyport is paused nobody is asked, and still everything is put right.
    let lease = json!({ "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": { "name": "sallyport", "namespace": "sallyport" } });
    let pause =
        json!({ "metadata": { "annotations": { "sallyport.dev/paused-until": "2099-01-01T00:00:00Z" } } });
    objects.merge(&lease, &pause).await?;
    let registration = json!({ "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": { "name": "sallyport" } });
    eventually("nobody is asked", async || objects.get(&registration).await.is_err().then_some(())).await?;
    let before = objects.get(&attachment).await?;
    for change in [
        json!({ "spec": { "workloadSelector": { "labels": { "app": "nobody" } } } }),
        json!({ "metadata": { "ownerReferences": [] } }),
        json!({ "spec": { "configPatches": [] } }),
    ] {
        objects.merge(&attachment, &change).await?;
        eventually("it is as it was", async || {
            let now = objects.get(&attachment).await.ok()?;
            let same = |part: &str| now.pointer(part) == before.pointer(part);
            (same("/spec") && same("/metadata/ownerReferences") && same("/metadata/labels")).then_some(())
        })
        .await
        .context(change.to_string())?;
    }
    objects.delete(&attachment).await?;
    eventually("it is there again", async || objects.get(&attachment).await.ok()).await?;
    guarded.answers("answers are marked", |answer| mark(answer) == Some("one")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_policies_that_meet_the_newer_waits_for_its_turn() -> Result<()> {
    let guarded = Guarded::start(&[]).await?;
    let objects = guarded.way.cluster.objects();
    let spec =
        |mark: &str| json!({ "selector": { "matchLabels": { "app": "edge" } }, "headers": marking(mark) });
    // Made in the same second, the name would decide.
    let (older, newer) = (guarded.policy("a", &spec("older")), guarded.policy("b", &spec("newer")));
    objects.create(&older).await?;
    guarded.answers("the older is in force", |answer| mark(answer) == Some("older")).await?;
    objects.create(&newer).await?;
    let said = guarded.said(&newer, "Conflicted").await?;
    ensure!(said.starts_with(&format!("True OlderPolicy: {}/a is older", guarded.way.namespace)), "{said}");
    let said = guarded.said(&newer, "Attached").await?;
    ensure!(said.starts_with("False Conflicted"), "{said}");
    ensure!(mark(&guarded.ask(None).await?) == Some("older"), "the newer has no effect");
    objects.delete(&older).await?;
    guarded.answers("the newer is in force", |answer| mark(answer) == Some("newer")).await?;
    let nobody = guarded.policy("nobody", &json!({ "selector": { "matchLabels": { "app": "nobody" } } }));
    objects.create(&nobody).await?;
    let said = guarded.said(&nobody, "Attached").await?;
    ensure!(
        said.starts_with("False SelectsNothing: EnvoyFilter sallyport-nobody.pods stands ready"),
        "{said}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_fetches_the_keys_that_tokens_are_checked_with() -> Result<()> {
    let signer = Signer::rsa("one")?;
    let host = KeyHost::start("localhost", Conduct::serves(key_set(&[&signer])?)).await?;
    let ca_file = host.ca_file().display().to_string();
    let guarded = Guarded::start(&["--proxy-ca-file", &ca_file]).await?;
    let provider = json!({
        "name": "issuer", "issuer": "https://issuer.example", "audiences": ["shop"], "algorithms": ["RS256"],
        "jwks": { "uri": format!("https://localhost:{}/jwks", host.address().port()) },
    });
    let spec = json!({
        "selector": { "matchLabels": { "app": "edge" } },
        "jwt": { "providers": [provider], "rules": [{ "name": "all", "match": [{}], "require": { "anyOf": ["issuer"] } }] },
    });
    let policy = guarded.policy("signed-in", &spec);
    guarded.way.cluster.objects().create(&policy).await?;
    guarded
        .answers("who does not sign in is refused", |answer| answer.status() == StatusCode::UNAUTHORIZED)
        .await?;
    let token = signer.sign(&claims("alice", 300))?;
    // The first fetch may come before the proxy knows the way to the host: it is tried again.
    eventually("who signs in is let in", async || {
        let answer = guarded.ask(Some(&token)).await.ok()?;
        (answer.status() == StatusCode::OK).then_some(())
    })
    .await
    .with_context(|| guarded.way.gateway.output())
}
