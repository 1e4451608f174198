//! Requests that are made to do harm.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};
use sallyport_tests::proxy::{Proxy, Setup};
use sallyport_tests::tokens::{SECRET, Signer, claims};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// All that reads a request: tokens in each place, keys of limits, a correlation identifier, variables.
const POLICY: &str = r#"
kind: TrafficPolicy
metadata: {name: api, namespace: shop}
spec:
  selector: {}
  trustedHops: 1
  jwt:
    providers:
      - name: shared
        issuer: https://issuer.example
        audiences: [shop]
        algorithms: [HS256]
        jwks: {env: {name: SECRET, format: Raw}}
        tokenFrom: [{header: authorization, scheme: Bearer}, {cookie: session}, {queryParameter: token}]
        claimsToHeaders: [{claim: [sub], header: x-user-id}]
    rules:
      - {name: open, match: [{path: {exact: /open}}], require: None}
      - {name: all, match: [{path: {prefix: /}}], require: {anyOf: [shared]}}
  rateLimits:
    - name: each
      key: [{clientAddress: {}}, {header: {name: x-key}}, {cookie: {name: c}}, {query: {name: q}}, {path: {}}, {host: {}}]
      limit: {requests: 100000, period: 1h}
  headers:
    correlation: {header: x-correlation-id, accept: Valid, respond: true}
    request: {set: [{name: x-at, value: "%{host} %{path} %{client-address}"}]}
    response: {preset: owasp}
"#;

/// Sends bytes, and reads the status of the answer.
async fn status(address: SocketAddr, request: &[u8]) -> Result<u16> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request).await?;
    let mut answer = Vec::new();
    // Envoy may reset the connection behind an answer to what is no HTTP.
    while !answer.windows(4).any(|window| window == b"\r\n\r\n") {
        ensure!(
            stream.read_buf(&mut answer).await? > 0,
            "no answer: {:?}",
            answer.escape_ascii().to_string()
        );
    }
    let status = answer.get(9..12).context("no status")?;
    Ok(str::from_utf8(status)?.parse()?)
}

fn request(path: &[u8], lines: &[&[u8]]) -> Vec<u8> {
    let mut request = [b"GET ", path, b" HTTP/1.1\r\nhost: a.example\r\n"].concat();
    for line in lines {
        request.extend_from_slice(line);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    request
}

fn token() -> Result<String> {
    Signer::shared(SECRET).sign(&claims("alice", 3600))
}

async fn start() -> Result<Proxy> {
    Setup::of(POLICY)?.workers(2).variable("SECRET", SECRET).start().await
}

/// Whoever signs in is still let in, and nothing has failed in the filter.
async fn stays_well(proxy: &Proxy) -> Result<()> {
    let bearer = format!("authorization: Bearer {}", token()?);
    ensure!(status(proxy.envoy.address(), &request(b"/", &[bearer.as_bytes()])).await? == 200);
    let output = proxy.envoy.output();
    ensure!(!output.contains("[critical]") && !output.contains("[error]"), "{output}");
    Ok(())
}

#[tokio::test]
async fn what_is_no_token_signs_nobody_in() -> Result<()> {
    let proxy = start().await?;
    let valid = token()?;
    let [header, payload, signature]: [&str; 3] =
        valid.split('.').collect::<Vec<_>>().try_into().ok().context("three parts")?;
    let bearer = |token: &[u8]| [b"authorization: Bearer ", token].concat();
    let mut cases = vec![
        vec![b"authorization:".to_vec()],
        vec![bearer(b"")],
        vec![b"authorization: Bearer".to_vec()],
        vec![[b"authorization: ", valid.as_bytes()].concat()],
        vec![[b"authorization: Basic ", valid.as_bytes()].concat()],
        vec![bearer(b"..")],
        vec![bearer(b"\xff\xfe.\x80.\xc0\xaf")],
        vec![bearer(format!("{header}.{payload}").as_bytes())],
        vec![bearer(format!("{header}.{payload}.").as_bytes())],
        vec![bearer(format!("{header}.{payload}.{signature}=").as_bytes())],
        vec![bearer(format!("{header}.{payload}.{signature}.x").as_bytes())],
        vec![bearer(format!("{header}.{payload}x.{signature}").as_bytes())],
        vec![bearer(format!("{valid}\t").as_bytes()), bearer(valid.as_bytes())],
        vec![bearer(format!("{valid}, Bearer {valid}").as_bytes())],
        vec![bearer(format!("{valid} {valid}").as_bytes())],
        vec![bearer(&[valid.as_bytes(), b"\xff"].concat())],
        // The same token twice, and two of which one is good: in one place, or spread over lines.
        vec![bearer(valid.as_bytes()), bearer(valid.as_bytes())],
        vec![bearer(valid.as_bytes()), bearer(b"a.b.c")],
        vec![bearer(b"a.b.c"), bearer(valid.as_bytes())],
        vec![format!("cookie: session={valid}; session={valid}").into_bytes()],
        vec![format!("cookie: session={valid}").into_bytes(), b"cookie: session=a.b.c".to_vec()],
        vec![[b"cookie: session=", valid.as_bytes(), b"\xff"].concat()],
        // As long as Envoy lets pass.
        vec![bearer(&b"a".repeat(58 << 10))],
        vec![bearer(&b".".repeat(58 << 10))],
        vec![bearer(format!("{header}.{}.{signature}", "e".repeat(57 << 10)).as_bytes())],
        vec![[b"cookie: session=", &*b"a".repeat(58 << 10)].concat()],
        vec![b"cookie: ".iter().copied().chain(b"session=a;".repeat(5 << 10)).collect()],
    ];
    cases.push((0..90).map(|_| bearer(&[valid.as_bytes(), &*b"x".repeat(100)].concat())).collect());
    for lines in cases {
        let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
        let got = status(proxy.envoy.address(), &request(b"/", &lines)).await?;
        let told = lines.concat();
        let told = told.get(..told.len().min(300)).unwrap_or_default().escape_ascii();
        ensure!(matches!(got, 400 | 401), "{got}: {told}");
    }
    for query in
        ["token=%", "token=%ff%fe", "token=a&token=b", &format!("token={valid}&token={valid}"), "token"]
    {
        let got = status(proxy.envoy.address(), &request(format!("/?{query}").as_bytes(), &[])).await?;
        ensure!(matches!(got, 400 | 401), "{got}: {query}");
    }
    ensure!(proxy.upstream.seen().is_empty(), "somebody got through");
    stays_well(&proxy).await
}

#[tokio::test]
async fn nothing_that_is_read_of_a_request_makes_the_filter_fail() -> Result<()> {
    let proxy = start().await?;
    let long = b"\xffa".repeat(25 << 10);
    let mut values: Vec<&[u8]> =
        vec![b"", b"\xff", b"\xc0\xaf\xed\xa0\x80", b",,,", b";;;=;", b"=", b"%", b"%ff%", &long];
    values.push("ü, \u{202e}".as_bytes());
    for name in [
        "x-key",
        "cookie",
        "x-correlation-id",
        "traceparent",
        "x-forwarded-for",
        "origin",
        "accept",
        "x-user-id",
        "te",
    ] {
        for value in &values {
            let line = [name.as_bytes(), b": ", value].concat();
            let got = status(proxy.envoy.address(), &request(b"/open", &[&line, &line])).await;
            // Twice the longest is more than Envoy lets pass.
            let wanted =
                if value.len() > 1000 && got.as_ref().is_ok_and(|got| *got == 431) { 431 } else { 200 };
            let told = value.get(..value.len().min(40)).unwrap_or_default().escape_ascii().to_string();
            ensure!(got? == wanted, "{name}: {told}");
        }
    }
    for query in [&b"q=%"[..], b"q=%ff", b"q=\xff", b"q=1&q=2", b"q", b"&&&=&=", &b"q=1&".repeat(12 << 10)] {
        let path = [b"/open?", query].concat();
        let got = status(proxy.envoy.address(), &request(&path, &[])).await?;
        // Envoy itself refuses what no path may hold.
        ensure!(got == 200 || (got == 400 && query.contains(&0xff)), "{got}: {}", query.escape_ascii());
    }
    stays_well(&proxy).await
}
