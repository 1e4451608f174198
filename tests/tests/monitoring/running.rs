//! The program and the filter, running: what they tell.

use anyhow::{Context as _, Result, ensure};
use sallyport_tests::control_plane::ControlPlane;
use sallyport_tests::eventually::eventually;
use sallyport_tests::examples;
use sallyport_tests::proxy::{Conduct, Delivery, KeyHost, RateLimitService, Setup};
use sallyport_tests::replica::{NAMESPACE, Replica, Service};
use sallyport_tests::run_dir::RunDir;
use sallyport_tests::tokens::{Signer, key_set};
use sallyport_tests::webhook::Webhook;
use sallyport_traffic::decide::{Reason, RefusedFor, TokenError, Verdict};
use sallyport_traffic::jose::KeySetError;
use sallyport_traffic::keys::Fetch;
use sallyport_traffic::token::ClaimError;
use serde_json::json;

use crate::monitoring;
use crate::series::Series;

/// What the program says of itself with policies from files.
pub(crate) async fn on_one_machine(series: &mut Series) -> Result<()> {
    let policies = monitoring().join("../examples/mita/policies");
    let webhook = Webhook::start(env!("CARGO_BIN_EXE_sallyport-under-test").as_ref(), &[policies]).await?;
    series.add(&webhook.page("/metrics").await?)
}

/// And with those of a cluster, with an audit log, once somebody has taken away what it keeps.
pub(crate) async fn in_a_cluster(series: &mut Series) -> Result<()> {
    let cluster = ControlPlane::start().await?;
    let objects = cluster.objects();
    for (_, definition) in sallyport::crds::all() {
        objects.apply(&definition).await?;
    }
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": NAMESPACE } });
    objects.apply(&namespace).await?;
    for right in examples::read(&monitoring().join("../base/rbac.yaml"))? {
        objects.apply(&right).await?;
    }
    let (service, dir) = (Service::start().await?, RunDir::create()?);
    let log = dir.path().join("audit.log").display().to_string();
    let program = env!("CARGO_BIN_EXE_sallyport-under-test").as_ref();
    let replica = Replica::start(&cluster, program, "one", service.url(), &["--audit-log", &log]).await?;
    service.has(&[&replica]);
    let registration = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": { "name": "sallyport" },
    });
    eventually("it is registered", async || objects.get(&registration).await.ok()).await?;
    objects.delete(&registration).await?;
    let page = eventually("it tells that it was put right", async || {
        replica.page("/metrics").await.ok().filter(|page| page.contains("sallyport_restored_total{"))
    });
    series.add(&page.await?)
}

const POLICIES: &str = "
kind: TrafficPolicy
metadata: {name: api, namespace: shop}
spec:
  selector: {}
  jwt:
    providers:
      - name: staff
        issuer: https://issuer.example
        audiences: [shop]
        algorithms: [EdDSA]
        jwks: {uri: 'https://keys.example/jwks'}
    rules:
      - {name: staff, match: [{path: {prefix: /staff}}], require: {anyOf: [staff]}}
      - {name: others, match: [{path: {prefix: /}}], require: None}
  rateLimitService: {service: ratelimit, port: 8081, timeout: 5s, whenUnavailable: Deny}
  rateLimits: [{name: daily, scope: Global, key: [{clientAddress: {}}], limit: {requests: 5, period: 24h}}]
---
kind: TrafficPolicy
metadata: {name: pay, namespace: shop}
spec: {selector: {}, rateLimits: [{name: few, limit: {requests: 5, period: 1h}}]}
";

/// What Envoy says of the filter, and of what stands around it.
pub(crate) async fn in_envoy(series: &mut Series) -> Result<()> {
    let keys = key_set(&[&Signer::ed25519("a")?])?;
    let host = KeyHost::start("keys.example", Conduct::serves(keys)).await?;
    let service = RateLimitService::start("domain: sallyport").await?;
    let proxy = Setup::of(POLICIES)?
        .connect("keys.example", 443, host.address())
        .connect("ratelimit.shop.svc.cluster.local", 8081, service.address())
        .trusting(host.ca_file())
        .delivered(Delivery::Listener)
        .start()
        .await?;
    let response = proxy.get("/", None).await?;
    ensure!(response.status() == 200, "{response:?}");
    // Histograms are told some seconds later.
    let late = [
        "sallyport_jwks_age_seconds{",
        "sallyport_limit_service_milliseconds_bucket{",
        "envoy_http_downstream_rq_time_bucket{",
    ];
    let page = eventually("Envoy tells all of them", async || {
        let page = proxy.envoy.admin("/stats/prometheus").await.ok()?;
        late.iter().all(|name| page.contains(name)).then_some(page)
    })
    .await?;
    series.add(&page).context("Envoy's page")?;
    // What happens only where something is wrong, in the filter's own words.
    let reasons =
        reasons().map(Reason::word).into_iter().chain(limits().map(RefusedFor::word)).chain(["host_failure"]);
    series.may_be("sallyport_requests", "reason", reasons)?;
    let verdicts =
        [Verdict::Allowed, Verdict::Denied, Verdict::Shadowed, Verdict::FailedOpen, Verdict::FailedClosed];
    series.may_be("sallyport_requests", "verdict", verdicts.map(Verdict::word))?;
    series.may_be("sallyport_jwks_fetches", "outcome", fetches().map(Fetch::word))
}

fn reasons() -> [Reason; 16] {
    let token = Reason::Token;
    [
        Reason::NoToken,
        Reason::SeveralTokens,
        Reason::Claims,
        Reason::NoKeys,
        Reason::NoRule { is_signed_in: false },
        token(TokenError::Algorithm),
        token(TokenError::PayloadKind),
        token(TokenError::Type),
        token(TokenError::UnknownKey),
        token(TokenError::Signature),
        token(TokenError::Claim(ClaimError::Issuer)),
        token(TokenError::Claim(ClaimError::Audience)),
        token(TokenError::Claim(ClaimError::Expired)),
        token(TokenError::Claim(ClaimError::NotYet)),
        token(TokenError::Claim(ClaimError::NoExpiry)),
        token(TokenError::Claim(ClaimError::Lifetime)),
    ]
}

fn limits() -> [RefusedFor; 4] {
    [RefusedFor::Over, RefusedFor::MissingKey, RefusedFor::ServiceUnavailable, RefusedFor::TableFull]
}

fn fetches() -> [Fetch; 8] {
    [
        Fetch::First,
        Fetch::Changed,
        Fetch::Same,
        Fetch::NoAnswer,
        Fetch::Status(503),
        Fetch::TooLarge,
        Fetch::Unusable(KeySetError::Private(0)),
        Fetch::Unusable(KeySetError::Empty),
    ]
}
