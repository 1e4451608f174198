//! What whoever operates a proxy is told.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use http::StatusCode;
use sallyport_tests::proxy::{Conduct, KeyHost, Proxy, Setup};
use sallyport_tests::tokens::{Signer, claims, key_set};

/// A policy with a provider whose keys are fetched, and a limit.
fn policy(mode: &str) -> String {
    format!(
        "
kind: TrafficPolicy
metadata: {{name: api, namespace: shop}}
spec:
  selector: {{}}
  mode: {mode}
  jwt:
    providers:
      - name: fetched
        issuer: https://issuer.example
        audiences: [shop]
        algorithms: [EdDSA]
        jwks: {{uri: 'https://keys.example/jwks?secret=1'}}
    rules: [{{name: all, match: [{{path: {{prefix: /}}}}], require: {{anyOf: [fetched]}}}}]
  rateLimits: [{{name: few, limit: {{requests: 2, period: 1h}}}}]
"
    )
}

async fn start(mode: &str, conduct: Conduct) -> Result<(Proxy, KeyHost)> {
    let host = KeyHost::start("keys.example", conduct).await?;
    let setup = Setup::of(&policy(mode))?.connect("keys.example", 443, host.address());
    Ok((setup.trusting(host.ca_file()).start().await?, host))
}

#[tokio::test]
async fn in_shadow_nobody_waits_for_a_host_of_keys_that_says_nothing() -> Result<()> {
    let (proxy, _host) = start("Shadow", Conduct::Silent).await?;
    let token = Signer::ed25519("a")?.sign(&claims("alice", 3600))?;
    let response = proxy.get("/", Some(&token)).await?;
    ensure!(response.status() == 200, "{response:?}");
    let seen = proxy.upstream.seen().pop().context("nothing got through")?;
    ensure!(seen.parts.headers.contains_key("authorization"), "the request was changed: {seen:?}");
    let line = proxy.logged(1).await?.pop().context("no line")?;
    let told = "verdict=shadowed reason=no_keys rule=all provider=fetched policy=shop/api";
    ensure!(line["decision"] == told, "{line}");
    Ok(())
}

#[tokio::test]
async fn numbers_stand_at_zero_before_they_count_and_say_which_part_of_a_policy_refused() -> Result<()> {
    let signer = Signer::ed25519("a")?;
    let (proxy, host) = start("Enforce", Conduct::fails(StatusCode::SERVICE_UNAVAILABLE)).await?;
    let page = proxy.envoy.admin("/stats/prometheus").await?;
    for (name, labels, value) in [
        ("requests", &["verdict=\"denied\"", "reason=\"no_token\"", "rule=\"all\""][..], 0),
        ("requests", &["verdict=\"allowed\"", "reason=\"ok\"", "rule=\"all\""], 0),
        ("requests", &["verdict=\"denied\"", "reason=\"over_limit\"", "limit=\"few\""], 0),
        ("jwks_usable", &["provider=\"fetched\"", "policy=\"shop/api\""], 0),
    ] {
        let is_it = |line: &&str| {
            line.starts_with(&format!("sallyport_{name}{{"))
                && labels.iter().all(|label| line.contains(label))
        };
        let line = page.lines().find(is_it).with_context(|| format!("no {name} {labels:?}:\n{page}"))?;
        ensure!(line.ends_with(&format!(" {value}")), "{line}");
    }
    let start = Instant::now();
    let failed = "keys of provider fetched can't be fetched from https://keys.example/jwks: the answer was 503; \
                  there are none; next try in ";
    while !proxy.envoy.output().contains(failed) {
        ensure!(start.elapsed() < Duration::from_secs(60), "{}", proxy.envoy.output());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let fetches = proxy.envoy.metric("sallyport_jwks_fetches", &["outcome=\"status\""]).await?;
    ensure!(fetches >= 1, "no fetch is counted");

    host.behave(Conduct::serves(key_set(&[&signer])?));
    while proxy.envoy.metric("sallyport_jwks_usable", &["provider=\"fetched\""]).await? == 0 {
        ensure!(start.elapsed() < Duration::from_secs(60), "{}", proxy.envoy.output());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let token = signer.sign(&claims("alice", 3600))?;
    for status in [200, 200, 429] {
        let response = proxy.get("/", Some(&token)).await?;
        ensure!(response.status() == status, "{response:?}");
    }
    let limited = ["verdict=\"denied\"", "reason=\"over_limit\"", "limit=\"few\""];
    ensure!(proxy.envoy.metric("sallyport_requests", &limited).await? == 1, "the limit is not counted");
    let passed = ["verdict=\"allowed\"", "rule=\"all\""];
    ensure!(proxy.envoy.metric("sallyport_requests", &passed).await? == 2, "the rule is not counted");
    Ok(())
}

#[tokio::test]
async fn of_several_policies_each_one_s_decision_is_logged() -> Result<()> {
    let limited = |name: &str, requests: u32| {
        format!(
            "
kind: TrafficPolicy
metadata: {{name: {name}, namespace: shop}}
spec:
  selector: {{}}
  rateLimits: [{{name: few, limit: {{requests: {requests}, period: 1h}}}}]
---"
        )
    };
    let proxy = Setup::of(&[limited("one", 9), limited("two", 1)].concat())?.start().await?;
    for status in [200, 429] {
        let response = proxy.get("/", None).await?;
        ensure!(response.status() == status, "{response:?}");
    }
    let told = |line: &serde_json::Value| line["decision"].as_str().unwrap_or_default().to_owned();
    let lines: Vec<String> = proxy.logged(2).await?.iter().map(told).collect();
    let first = "verdict=allowed reason=ok policy=shop/one; ";
    ensure!(lines[0] == format!("{first}verdict=allowed reason=ok policy=shop/two"), "{lines:?}");
    let second = "verdict=denied reason=over_limit limit=few policy=shop/two";
    ensure!(lines[1] == format!("{first}{second}"), "{lines:?}");
    Ok(())
}
