//! What a request's trailers bring.

use anyhow::{Context as _, Result, ensure};
use http::{HeaderMap, HeaderValue, Request};
use sallyport_tests::proxy::{Http2Client, Proxy, Setup};
use sallyport_tests::tokens::SECRET;

use super::capabilities::without;

const POLICY: &str = "
kind: TrafficPolicy
metadata: {name: api, namespace: shop}
spec:
  selector: {}
  jwt:
    providers:
      - name: shared
        issuer: https://issuer.example
        algorithms: [HS256]
        jwks: {env: {name: SECRET, format: Raw}}
        claimsToHeaders: [{claim: [sub], header: x-user-id}]
    rules: [{name: open, match: [{path: {prefix: /}}], require: None}]
";

fn setup() -> Result<Setup> {
    Ok(Setup::of(POLICY)?.variable("SECRET", SECRET))
}

async fn send(proxy: &Proxy, trailers: &[(&'static str, &'static str)]) -> Result<http::StatusCode> {
    let pairs = trailers
        .iter()
        .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value)));
    let trailers: HeaderMap = pairs.collect();
    let mut client = Http2Client::connect(proxy.envoy.address()).await?;
    let (response, _) = client.send(Request::post("/").body("body")?, trailers).await?;
    Ok(response.status())
}

#[tokio::test]
async fn who_somebody_is_can_not_be_forged_in_trailers() -> Result<()> {
    let proxy = setup()?.start().await?;
    let sent = [("x-user-id", "root"), ("x_user_id", "root"), ("x-checksum", "1")];
    ensure!(send(&proxy, &sent).await? == 200);
    let seen = proxy.upstream.seen().pop().context("nothing arrived")?;
    let trailers = seen.trailers.context("no trailers arrived")?;
    let names: Vec<&str> = trailers.keys().map(http::HeaderName::as_str).collect();
    ensure!(names == ["x-checksum"], "{names:?}");
    Ok(())
}

#[tokio::test]
async fn trailers_that_can_not_be_cleaned_do_not_pass() -> Result<()> {
    let proxy = setup()?.edited(without("proxy_remove_header_map_value")?).start().await?;
    ensure!(send(&proxy, &[("x-user-id", "root")]).await? == 503, "it passed");
    ensure!(proxy.upstream.seen().is_empty(), "it got through");
    // What needs no cleaning passes.
    ensure!(send(&proxy, &[("x-checksum", "1")]).await? == 200);
    Ok(())
}
