//! Many requests that wait for the same keys, and are all decided when these come or don't.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use sallyport_tests::proxy::{Conduct, Http2Client, KeyHost, Proxy, Setup};
use sallyport_tests::tokens::{Signer, claims, key_set};
use serde_json::json;
use tokio::task::JoinSet;

const POLICY: &str = r#"
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

const CONNECTIONS: u64 = 8;
const EACH: u64 = 100;

/// A proxy whose only host of keys says nothing yet.
async fn start(edit: impl Fn(&mut serde_json::Value) + 'static) -> Result<(Proxy, KeyHost)> {
    let host = KeyHost::start("keys.example", Conduct::Silent).await?;
    let setup = Setup::of(POLICY)?.connect("keys.example", 443, host.address());
    let proxy = setup.trusting(host.ca_file()).edited(edit).start().await?;
    Ok((proxy, host))
}

/// Has so many requests wait as a worker lets wait, then the host of keys behave so; the answers.
async fn crowd(proxy: &Proxy, host: &KeyHost, token: &str, then: Conduct) -> Result<Vec<Response<Bytes>>> {
    let mut asking = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let client = Http2Client::connect(proxy.envoy.address()).await?;
        for _ in 0..EACH {
            let (mut client, token) = (client.clone(), format!("Bearer {token}"));
            asking.spawn(async move {
                let request = Request::get("/").header("authorization", token).body("")?;
                Ok::<_, anyhow::Error>(client.send(request, HeaderMap::new()).await?.0)
            });
        }
    }
    let start = Instant::now();
    while proxy.envoy.metric("envoy_http_downstream_rq_active", &["\"sallyport\""]).await?
        < CONNECTIONS * EACH
        && start.elapsed() < Duration::from_secs(4)
    {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    host.behave(then);
    let mut answers = Vec::new();
    while let Some(answer) = asking.join_next().await {
        answers.push(answer??);
    }
    Ok(answers)
}

/// The filter's virtual machine is still the first.
fn lives(proxy: &Proxy) -> Result<()> {
    let output = proxy.envoy.output();
    let is_bad = |line: &str| line.contains("[critical]") || line.contains("[error]");
    // That the keys don't come is no fault of the machine's.
    let has_failed =
        output.lines().any(|line| is_bad(line) && !line.contains("keys of provider fetched can't be"));
    ensure!(!has_failed, "{output}");
    Ok(())
}

async fn ask_until(proxy: &Proxy, token: &str, status: StatusCode) -> Result<()> {
    let start = Instant::now();
    loop {
        let request = Request::get("/").header("authorization", format!("Bearer {token}")).body("")?;
        let response = proxy.send(request).await?;
        if response.status() == status {
            return Ok(());
        }
        ensure!(start.elapsed() < Duration::from_secs(60), "{response:?}\n{}", proxy.envoy.output());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Whether these are the filter's words for keys that did not come in time.
fn came_too_late(response: &Response<Bytes>) -> bool {
    response.status() == StatusCode::SERVICE_UNAVAILABLE && response.headers().contains_key("retry-after")
}

#[tokio::test]
async fn a_crowd_with_forged_tokens_is_refused_when_keys_come_and_nobody_else_is() -> Result<()> {
    let key = Signer::ed25519("a")?;
    let (proxy, host) = start(|_| {}).await?;
    let forged = Signer::ed25519("a")?.sign(&claims("mallory", 3600))?;
    for response in crowd(&proxy, &host, &forged, Conduct::serves(key_set(&[&key])?)).await? {
        let is_refused = response.status() == StatusCode::UNAUTHORIZED
            && response.headers().contains_key("www-authenticate");
        // On a machine that is slower than a request waits.
        ensure!(is_refused || came_too_late(&response), "{response:?}\n{}", proxy.envoy.output());
    }
    lives(&proxy)?;
    ask_until(&proxy, &key.sign(&claims("alice", 3600))?, StatusCode::OK).await?;
    ensure!(proxy.upstream.seen().len() == 1, "somebody got through");
    lives(&proxy)
}

#[tokio::test]
async fn a_crowd_is_told_to_come_again_when_no_keys_come() -> Result<()> {
    let key = Signer::ed25519("a")?;
    let (proxy, host) = start(|_| {}).await?;
    let token = key.sign(&claims("alice", 3600))?;
    let failing = Conduct::fails(StatusCode::INTERNAL_SERVER_ERROR);
    for response in crowd(&proxy, &host, &token, failing).await? {
        ensure!(came_too_late(&response), "{response:?}\n{}", proxy.envoy.output());
    }
    lives(&proxy)?;
    host.behave(Conduct::serves(key_set(&[&key])?));
    ask_until(&proxy, &token, StatusCode::OK).await?;
    lives(&proxy)
}

#[tokio::test]
async fn a_crowd_that_is_let_in_where_nobody_is_at_home_does_no_harm() -> Result<()> {
    let key = Signer::ed25519("a")?;
    // The proxy answers at once, within the event in which the request goes on.
    let (proxy, host) = start(|bootstrap| {
        let clusters = bootstrap["static_resources"]["clusters"].as_array_mut().expect("clusters");
        let upstream = clusters.iter_mut().find(|cluster| cluster["name"] == "upstream").expect("upstream");
        upstream["load_assignment"]["endpoints"] = json!([]);
    })
    .await?;
    for response in
        crowd(&proxy, &host, &key.sign(&claims("alice", 3600))?, Conduct::serves(key_set(&[&key])?)).await?
    {
        ensure!(response.status() == StatusCode::SERVICE_UNAVAILABLE, "{response:?}");
    }
    lives(&proxy)?;
    ask_until(&proxy, &Signer::ed25519("a")?.sign(&claims("mallory", 3600))?, StatusCode::UNAUTHORIZED)
        .await?;
    lives(&proxy)
}
