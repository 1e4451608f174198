//! Rules, their tests and dashboards name what there is: metrics, labels and values that the program and the filter have
//! while they run.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use sallyport_tests::control_plane::ControlPlane;
use sallyport_tests::examples;
use sallyport_tests::proxy::{Conduct, KeyHost, RateLimitService, Setup};
use sallyport_tests::replica::{NAMESPACE, Replica, Service};
use sallyport_tests::run_dir::RunDir;
use sallyport_tests::tokens::{Signer, key_set};
use sallyport_tests::webhook::Webhook;
use sallyport_traffic::decide::{Reason, RefusedFor, TokenError, Verdict};
use sallyport_traffic::jose::KeySetError;
use sallyport_traffic::keys::Fetch;
use sallyport_traffic::token::ClaimError;
use serde_json::json;

use crate::promql::{self, Matcher, Refers, Selector};
use crate::rules::Rule;
use crate::series::Series;
use crate::{dashboards, monitoring, rules};

/// Whoever scrapes gives these to all series.
const OF_TARGETS: [&str; 4] = ["namespace", "job", "instance", "pod"];
/// Whoever writes policies, or releases the program, chooses their values.
const CHOSEN: [&str; 5] = ["policy", "provider", "rule", "limit", "version"];
/// Long enough for any machine: it ends a test that hangs, and decides none.
const HANGS: Duration = Duration::from_secs(60);

#[tokio::test]
async fn every_metric_label_and_value_that_is_asked_for_is_one_that_there_is() -> Result<()> {
    let mut series = Series::default();
    // Prometheus' own.
    series.add("up 1")?;
    on_one_machine(&mut series).await?;
    in_a_cluster(&mut series).await?;
    in_envoy(&mut series).await?;

    let mut wrong = Vec::new();
    let (ruling, does) = rules::expressions()?;
    for ((rule, does), refers) in ruling.iter().zip(does).zip(promql::read(&ruling)?) {
        match does {
            Rule::Records(name) => {
                ensure!(!series.has(&name), "{name} is recorded, and there already");
                series.record(&name, &refers.labels);
            }
            Rule::Tells(labels) => {
                // What is grouped has no other labels left.
                let is_left = |label: &String| refers.labels.is_empty() || refers.labels.contains(label);
                let lost: Vec<&String> = labels.iter().filter(|label| !is_left(label)).collect();
                if !lost.is_empty() {
                    wrong.push(format!("{}: {lost:?} are shown, and not there", rule.place));
                }
            }
        }
    }
    for expressions in [ruling, rules::inputs()?, dashboards::expressions()?] {
        for (expression, refers) in expressions.iter().zip(promql::read(&expressions)?) {
            if let Err(error) = check(&refers, &series) {
                wrong.push(format!("{}: {error}\n    {}", expression.place, expression.text));
            }
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// That there is what an expression refers to.
fn check(refers: &Refers, series: &Series) -> Result<()> {
    for Selector { name, others } in &refers.selectors {
        for matcher in others.iter().filter(|it| !OF_TARGETS.contains(&it.label.as_str())) {
            let mut values = Vec::new();
            for (metric, labels) in series.iter() {
                if is_one_of(name, metric)? {
                    values.extend(labels.get(&matcher.label).into_iter().flatten());
                }
            }
            let label = &matcher.label;
            ensure!(!values.is_empty(), "there is no label {label}");
            let parts = if CHOSEN.contains(&label.as_str()) { Vec::new() } else { matcher.parts() };
            for part in parts {
                let mut is_there = false;
                for value in &values {
                    is_there |= matcher.is_true(part, value)?;
                }
                ensure!(is_there, "no {label} is {part}: {values:?}");
            }
        }
    }
    let mut names = Vec::new();
    for selector in &refers.selectors {
        let before = names.len();
        for (metric, labels) in series.iter() {
            if is_one_of(&selector.name, metric)? {
                names.push(labels);
            }
        }
        ensure!(names.len() > before, "there is no metric {:?}", selector.name.parts());
    }
    for label in refers.labels.iter().filter(|label| !OF_TARGETS.contains(&label.as_str())) {
        ensure!(names.iter().any(|labels| labels.contains_key(label)), "nothing has the label {label}");
    }
    Ok(())
}

fn is_one_of(name: &Matcher, metric: &str) -> Result<bool> {
    let mut parts = name.parts().into_iter().map(|part| name.is_true(part, metric));
    parts.try_fold(false, |found, is_true| Ok(found | is_true?))
}

/// What the program says of itself with policies from files.
async fn on_one_machine(series: &mut Series) -> Result<()> {
    let policies = monitoring().join("../examples/mita/policies");
    let webhook = Webhook::start(env!("CARGO_BIN_EXE_sallyport-under-test").as_ref(), &[policies]).await?;
    series.add(&webhook.page("/metrics").await?)
}

/// And with those of a cluster, with an audit log.
async fn in_a_cluster(series: &mut Series) -> Result<()> {
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
    series.add(&replica.page("/metrics").await?)
}

const POLICY: &str = "
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
";

/// What Envoy says of the filter, and of what stands around it.
async fn in_envoy(series: &mut Series) -> Result<()> {
    let keys = key_set(&[&Signer::ed25519("a")?])?;
    let host = KeyHost::start("keys.example", Conduct::serves(keys)).await?;
    let service = RateLimitService::start("domain: sallyport").await?;
    let proxy = Setup::of(POLICY)?
        .connect("keys.example", 443, host.address())
        .connect("ratelimit.shop.svc.cluster.local", 8081, service.address())
        .trusting(host.ca_file())
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
    let start = Instant::now();
    let page = loop {
        let page = proxy.envoy.admin("/stats/prometheus").await?;
        if late.iter().all(|name| page.contains(name)) {
            break page;
        }
        ensure!(start.elapsed() < HANGS, "{late:?} are not all there:\n{page}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
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
    let unusable = |error| Fetch::Unusable(error);
    [
        Fetch::First,
        Fetch::Changed,
        Fetch::Same,
        Fetch::NoAnswer,
        Fetch::Status(503),
        Fetch::TooLarge,
        unusable(KeySetError::Private(0)),
        unusable(KeySetError::Empty),
    ]
}
