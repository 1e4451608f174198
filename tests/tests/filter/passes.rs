//! What a request is that no policy says anything about: it passes, whatever bytes are in it.

use anyhow::{Context as _, Result, ensure};
use http::{HeaderValue, Request};
use sallyport_tests::proxy::{Client, Proxy, Setup};
use serde_json::Value;

const POLICY: &str = "
kind: TrafficPolicy
metadata: {name: any, namespace: shop}
spec: {selector: {}, headers: {response: {remove: [x-none]}}}
";

#[tokio::test]
async fn a_request_passes_with_every_number_of_workers() -> Result<()> {
    for workers in [1, 2, 4] {
        let proxy = Setup::of(POLICY)?.workers(workers).start().await?;
        // One virtual machine for each worker and for the main thread, and the first one, which they are cloned from.
        let machines = proxy.envoy.metric("envoy_wasm_envoy_wasm_runtime_v8_active", &[]).await?;
        ensure!(machines == u64::from(workers) + 2, "{workers} workers, {machines} virtual machines");
        // More connections than workers: each gets some.
        for i in 0..8 * workers {
            let response = proxy.send(Request::get(format!("/{i}")).body("")?).await?;
            ensure!(response.status() == 200, "{}", response.status());
        }
        stays_well(&proxy).await?;
    }
    Ok(())
}

#[tokio::test]
async fn bytes_that_are_no_text_pass_as_they_are() -> Result<()> {
    let proxy = Setup::of(POLICY)?.start().await?;
    for bytes in [&b"\xff\xfe\x80"[..], b"caf\xe9", b"\xc0\xaf", b"\xed\xa0\x80", b"a\tb"] {
        let request = Request::get("/").header("x-bytes", HeaderValue::from_bytes(bytes)?).body("")?;
        let response = proxy.send(request).await?;
        ensure!(response.status() == 200, "{bytes:?}: {}", response.status());
        let seen = proxy.upstream.seen();
        let got = seen.last().and_then(|seen| seen.parts.headers.get("x-bytes")).context("it got lost")?;
        ensure!(got.as_bytes() == bytes, "{bytes:?} became {got:?}");
    }
    stays_well(&proxy).await
}

#[tokio::test]
async fn headers_as_large_as_envoy_takes_pass_and_larger_ones_are_refused_by_it() -> Result<()> {
    let proxy = Setup::of(POLICY)?.start().await?;
    // Envoy's limit is 60 KiB for all headers together.
    for (length, status) in [(59 << 10, 200), (61 << 10, 431)] {
        let response = proxy.send(Request::get("/").header("x-large", "a".repeat(length)).body("")?).await?;
        ensure!(response.status() == status, "{length} bytes: {}", response.status());
    }
    let mut request = Request::get("/");
    for i in 0..90 {
        request = request.header(format!("x-{i}"), "a".repeat(600));
    }
    let response = proxy.send(request.body("")?).await?;
    ensure!(response.status() == 200, "{}", response.status());
    stays_well(&proxy).await
}

#[tokio::test]
async fn a_connection_serves_many_requests_and_bodies_pass() -> Result<()> {
    let proxy = Setup::of(POLICY)?.start().await?;
    let mut client = Client::connect(proxy.envoy.address()).await?;
    for length in [0, 1, 100_000, 2_000_000] {
        let response = client.send(Request::post("/").body("b".repeat(length))?).await?;
        ensure!(response.status() == 200, "{}", response.status());
        let seen = proxy.upstream.seen();
        ensure!(seen.last().is_some_and(|seen| seen.body.len() == length), "{length} bytes did not arrive");
    }
    stays_well(&proxy).await
}

#[tokio::test]
async fn the_application_gets_one_form_of_a_path_and_learns_who_connected() -> Result<()> {
    let proxy = Setup::of(POLICY)?.start().await?;
    for (sent, got) in [
        ("/a//b", "/a/b"),
        ("/a/../b", "/b"),
        ("/a/./b?c=//d", "/a/b?c=//d"),
        ("/a/%2e%2e/b", "/b"),
        ("/a%2Fb", "/a%2Fb"),
        ("/a;b", "/a;b"),
    ] {
        proxy.send(Request::get(sent).header("x-forwarded-for", "192.0.2.1").body("")?).await?;
        let seen = proxy.upstream.seen().pop().context("nothing arrived")?;
        let path = seen.parts.uri.path_and_query().map(ToString::to_string);
        ensure!(path.as_deref() == Some(got), "{sent} arrived as {path:?}");
        let from: Vec<_> = seen.parts.headers.get_all("x-forwarded-for").iter().collect();
        ensure!(from == ["192.0.2.1,127.0.0.1"] || from == ["192.0.2.1", "127.0.0.1"], "{from:?}");
    }
    Ok(())
}

#[tokio::test]
async fn the_access_log_has_a_line_for_each_request_and_no_query() -> Result<()> {
    let proxy = Setup::of(POLICY)?.start().await?;
    proxy.send(Request::get("/cards?number=4111111111111111").body("")?).await?;
    let line = proxy.logged(1).await?.pop().context("no line")?;
    ensure!(line["path"] == "/cards" && line["status"] == 200 && line["method"] == "GET", "{line}");
    ensure!(!line.to_string().contains("4111"), "{line}");
    Ok(())
}

/// Nothing has gone wrong in the filter, and requests still pass.
async fn stays_well(proxy: &Proxy) -> Result<()> {
    let response = proxy.send(Request::get("/still").body("")?).await?;
    ensure!(response.status() == 200, "{}", response.status());
    let told: Value = serde_json::from_slice(response.body())?;
    ensure!(told["path"] == "/still", "{told}");
    let output = proxy.envoy.output();
    ensure!(!output.contains("[critical]") && !output.contains("[error]"), "{output}");
    Ok(())
}
