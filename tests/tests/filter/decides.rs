//! What a real Envoy does with what the filter decides.

use std::time::Duration;

use anyhow::{Result, ensure};
use http::Request;
use sallyport_tests::proxy::{Conduct, KeyHost, Setup};
use sallyport_tests::tokens::{SECRET, Signer, claims, key_set};

const POLICY: &str = r#"
kind: TrafficPolicy
metadata: {name: api, namespace: shop}
spec:
  selector: {}
  jwt:
    providers:
      - name: shared
        issuer: https://issuer.example
        audiences: [shop]
        algorithms: [HS256]
        jwks: {env: {name: SECRET, format: Raw}}
        claimsToHeaders: [{claim: [sub], header: x-user-id}]
    rules:
      - {name: open, match: [{path: {exact: /health}}], require: None}
      - {name: all, match: [{path: {prefix: /}}], require: {anyOf: [shared]}}
  rateLimits:
    - name: per-user
      exempt: [{path: {exact: /health}}]
      key: [{claim: {provider: shared, path: [sub]}}]
      limit: {requests: 5, period: 1h}
  headers:
    correlation: {header: x-correlation-id, respond: true}
    response: {preset: owasp, frameOptions: DENY}
"#;

fn token(user: &str, lives: i64) -> Result<String> {
    Signer::shared(SECRET).sign(&claims(user, lives))
}

#[tokio::test]
async fn who_signs_in_is_let_in_by_name_and_nobody_else() -> Result<()> {
    let proxy = Setup::of(POLICY)?.variable("SECRET", SECRET).start().await?;
    let response = proxy.get("/", None).await?;
    ensure!(response.status() == 401, "{response:?}");
    ensure!(response.headers()["www-authenticate"] == "Bearer realm=\"api\"", "{response:?}");
    ensure!(response.headers()["content-type"] == "application/problem+json", "{response:?}");
    ensure!(response.headers()["x-frame-options"] == "DENY", "{response:?}");
    ensure!(proxy.get("/", Some(&token("alice", -3600)?)).await?.status() == 401);
    ensure!(proxy.get("/", Some("a.b.c")).await?.status() == 401);
    ensure!(proxy.upstream.seen().is_empty(), "something got through");

    let bearer = format!("Bearer {}", token("alice", 3600)?);
    let request = Request::get("/").header("x-user-id", "root").header("authorization", bearer);
    let response = proxy.send(request.body("")?).await?;
    ensure!(response.status() == 200, "{response:?}");
    ensure!(response.headers()["x-frame-options"] == "DENY", "{response:?}");
    ensure!(response.headers().contains_key("x-correlation-id"), "{response:?}");
    let seen = proxy.upstream.seen().pop().expect("the request got through");
    let users: Vec<_> = seen.parts.headers.get_all("x-user-id").iter().collect();
    ensure!(users == ["alice"], "{users:?}");
    ensure!(!seen.parts.headers.contains_key("authorization"), "the token got through");

    let request = Request::get("/health").header("x-user-id", "root");
    let response = proxy.send(request.body("")?).await?;
    ensure!(response.status() == 200, "{response:?}");
    let seen = proxy.upstream.seen().pop().expect("the request got through");
    ensure!(!seen.parts.headers.contains_key("x-user-id"), "who is not known has no name");
    Ok(())
}

#[tokio::test]
async fn a_limit_holds_over_all_workers_and_clients_are_told() -> Result<()> {
    let proxy = Setup::of(POLICY)?.workers(4).variable("SECRET", SECRET).start().await?;
    let alice = token("alice", 3600)?;
    let mut admitted = 0;
    for _ in 0..40 {
        let response = proxy.get("/", Some(&alice)).await?;
        if response.status() == 200 {
            admitted += 1;
            continue;
        }
        ensure!(response.status() == 429, "{response:?}");
        ensure!(response.headers().contains_key("retry-after"), "{response:?}");
        ensure!(response.headers()["ratelimit-policy"] == "\"per-user\";q=5;w=3600", "{response:?}");
    }
    ensure!(admitted == 5, "{admitted} were admitted");
    ensure!(proxy.get("/", Some(&token("bob", 3600)?)).await?.status() == 200);
    ensure!(proxy.get("/health", None).await?.status() == 200);
    Ok(())
}

#[tokio::test]
async fn the_access_log_says_what_was_decided_and_metrics_count_it() -> Result<()> {
    let proxy = Setup::of(POLICY)?.variable("SECRET", SECRET).start().await?;
    proxy.get("/", None).await?;
    let line = proxy.logged(1).await?.pop().expect("a line");
    ensure!(line["decision"] == "verdict=denied reason=no_token rule=all policy=shop/api", "{line}");
    Ok(())
}

#[tokio::test]
async fn the_first_request_waits_until_keys_are_fetched() -> Result<()> {
    const REMOTE: &str = r#"
kind: TrafficPolicy
metadata: {name: api, namespace: shop}
spec:
  selector: {}
  jwt:
    providers:
      - name: fetched
        issuer: https://issuer.example
        audiences: [shop]
        algorithms: [EdDSA]
        jwks: {uri: "https://keys.example/jwks"}
    rules: [{name: all, match: [{path: {prefix: /}}], require: {anyOf: [fetched]}}]
"#;
    let keys = key_set(&[&Signer::ed25519("a")?])?;
    let host = KeyHost::start("keys.example", Conduct::serves(keys)).await?;
    let setup = Setup::of(REMOTE)?.connect("keys.example", 443, host.address()).trusting(host.ca_file());
    let proxy = setup.start().await?;
    let token = Signer::ed25519("a")?.sign(&claims("alice", 3600))?;
    let asked = tokio::time::timeout(Duration::from_secs(30), proxy.get("/", Some(&token)));
    let response = asked.await??;
    ensure!(response.status() == 401, "{response:?}");
    let challenge = response.headers()["www-authenticate"].to_str()?;
    ensure!(challenge.contains("The token's signature is not valid"), "{challenge}");
    ensure!(host.fetches() >= 1, "nobody asked for keys");
    Ok(())
}
