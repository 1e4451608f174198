//! What passes without a token, and what it may carry.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};
use http::{HeaderMap, HeaderValue, Request};
use sallyport_tests::proxy::{Http2Client, Proxy, Setup};
use sallyport_tests::tokens::{SECRET, Signer, claims};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const POLICY: &str = r#"
kind: TrafficPolicy
metadata: {name: api, namespace: shop}
spec:
  selector: {}
  jwt:
    preflight: Pass
    providers:
      - name: shared
        issuer: https://issuer.example
        audiences: [shop]
        algorithms: [HS256]
        jwks: {env: {name: SECRET, format: Raw}}
        tokenFrom: [{header: authorization, scheme: Bearer}, {cookie: session}]
        claimsToHeaders: [{claim: [sub], header: x-user-id}]
    rules:
      - {name: open, match: [{path: {exact: /open}}], require: None}
      - {name: all, match: [{path: {prefix: /}}], require: {anyOf: [shared]}}
"#;

async fn start(policy: &str) -> Result<Proxy> {
    Setup::of(policy)?.variable("SECRET", SECRET).start().await
}

/// Sends a request's lines, and reads the status of the answer.
async fn status(address: SocketAddr, lines: &[&str]) -> Result<u16> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(format!("{}\r\n\r\n", lines.join("\r\n")).as_bytes()).await?;
    let mut answer = Vec::new();
    while !answer.windows(4).any(|window| window == b"\r\n\r\n") {
        ensure!(stream.read_buf(&mut answer).await? > 0, "no answer to {lines:?}");
    }
    Ok(str::from_utf8(answer.get(9..12).context("no status")?)?.parse()?)
}

const PREFLIGHT: [&str; 4] = [
    "OPTIONS /api HTTP/1.1",
    "host: shop.example",
    "origin: https://app.example",
    "access-control-request-method: PUT",
];

#[tokio::test]
async fn a_preflight_opens_no_web_socket_and_carries_nothing() -> Result<()> {
    let proxy = start(POLICY).await?;
    let ask = async |more: &[&str]| {
        let lines = [&PREFLIGHT[..], more].concat();
        status(proxy.envoy.address(), &lines).await
    };
    for more in [
        &[
            "connection: Upgrade",
            "upgrade: websocket",
            "sec-websocket-version: 13",
            "sec-websocket-key: eA==",
        ][..],
        &["transfer-encoding: chunked", "", "0"],
        &["content-length: 4", "", "body"],
    ] {
        ensure!(ask(more).await? == 401, "{more:?}");
    }
    // HTTP/2 needs no header to say that more follows.
    let mut client = Http2Client::connect(proxy.envoy.address()).await?;
    let request = Request::options("/api").header("origin", "https://app.example");
    let request = request.header("access-control-request-method", "PUT").body("")?;
    let mut trailers = HeaderMap::new();
    trailers.insert("x-checksum", HeaderValue::from_static("1"));
    let (response, _) = client.send(request, trailers).await?;
    ensure!(response.status() == 401, "{response:?}");
    ensure!(proxy.upstream.seen().is_empty(), "somebody got through");

    ensure!(ask(&["authorization: Basic YTpi", "cookie: session=x"]).await? == 200);
    let seen = proxy.upstream.seen().pop().context("nothing arrived")?;
    let headers = &seen.parts.headers;
    ensure!(headers.contains_key("origin"), "{headers:?}");
    ensure!(!headers.contains_key("authorization") && !headers.contains_key("cookie"), "{headers:?}");
    Ok(())
}

#[tokio::test]
async fn whoever_opens_a_web_socket_has_nothing_taken_away_behind_us() -> Result<()> {
    let proxy = start(POLICY).await?;
    let bearer = format!("authorization: Bearer {}", Signer::shared(SECRET).sign(&claims("alice", 3600))?);
    let lines = [
        "GET /socket HTTP/1.1",
        "host: shop.example",
        "connection: Upgrade, X-User-Id",
        "upgrade: websocket",
        "x.user.id: root",
        "cookie: session=forged",
        &bearer,
    ];
    ensure!(status(proxy.envoy.address(), &lines).await? != 401);
    let seen = proxy.upstream.seen().pop().context("nothing arrived")?;
    let headers = &seen.parts.headers;
    ensure!(headers["connection"].as_bytes().eq_ignore_ascii_case(b"upgrade"), "{headers:?}");
    ensure!(headers["x-user-id"] == "alice" && headers["upgrade"] == "websocket", "{headers:?}");
    ensure!(!headers.contains_key("x.user.id") && !headers.contains_key("cookie"), "{headers:?}");
    Ok(())
}

#[tokio::test]
async fn another_host_is_left_alone_but_for_who_somebody_is() -> Result<()> {
    let proxy = start(&POLICY.replace("selector: {}", "selector: {}\n  hosts: [shop.example]")).await?;
    let lines = [
        "GET / HTTP/1.1",
        "host: other.example",
        "x-user-id: root",
        "X_User_Id: root",
        "authorization: Bearer x",
    ];
    ensure!(status(proxy.envoy.address(), &lines).await? == 200);
    let seen = proxy.upstream.seen().pop().context("nothing arrived")?;
    let headers = &seen.parts.headers;
    ensure!(!headers.contains_key("x-user-id") && !headers.contains_key("x_user_id"), "{headers:?}");
    ensure!(headers["authorization"] == "Bearer x", "{headers:?}");
    Ok(())
}

#[tokio::test]
async fn the_access_log_holds_nothing_that_a_client_has_hidden_in_it() -> Result<()> {
    let correlation = "  headers: {correlation: {header: x-correlation-id, accept: Valid}}\n";
    let proxy = start(&format!("{POLICY}{correlation}")).await?;
    let token = "eyJhbGciOiJub25lIn0.e30.";
    for (path, host, correlation) in [
        ("/open", "4111111111111111.shop.example", "4111111111111111"),
        ("/a/4111:1111:1111:1111", "user:hunter2@shop.example", token),
        ("/a;jsessionid=hunter2", "shop.example", token),
        ("/a%3Fpassword=hunter2", "shop.example", "4111-1111-1111-1111"),
        ("/a/eyJhbGciOiJub25lIn0.e30.", "shop.example", "c-1"),
    ] {
        let lines = [
            format!("GET {path} HTTP/1.1"),
            format!("host: {host}"),
            format!("x-correlation-id: {correlation}"),
            format!("x-request-id: {correlation}"),
        ];
        status(proxy.envoy.address(), &lines.each_ref().map(String::as_str)).await?;
    }
    let lines = proxy.logged(5).await?;
    for line in &lines {
        let text = line.to_string();
        ensure!(!["4111", "hunter2", "eyJ"].iter().any(|secret| text.contains(secret)), "{text}");
    }
    let last = lines.last().context("no line")?;
    ensure!(last["authority"] == "shop.example" && last["correlation_id"] == "c-1", "{last}");
    ensure!(last["path"] == "/a/[redacted-token]", "{last}");
    Ok(())
}
