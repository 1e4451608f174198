//! Calls of gRPC.

use anyhow::{Result, ensure};
use http::{HeaderMap, Request};
use sallyport_tests::proxy::{Http2Client, Setup};
use sallyport_tests::tokens::SECRET;

#[tokio::test]
async fn a_call_that_is_refused_gets_one_status_and_no_body() -> Result<()> {
    let policy = "
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
    rules:
      - {name: open, match: [{path: {exact: /shop.Open/Call}}], require: None}
      - {name: all, match: [{path: {prefix: /}}], require: {anyOf: [shared]}}
  rateLimits: [{name: all, limit: {requests: 1, period: 24h}}]
";
    let proxy = Setup::of(policy)?.variable("SECRET", SECRET).start().await?;
    let mut client = Http2Client::connect(proxy.envoy.address()).await?;
    for (path, code) in
        [("/shop.Cart/Get", Some("16")), ("/shop.Open/Call", None), ("/shop.Open/Call", Some("8"))]
    {
        for kind in ["application/grpc", "application/grpc+proto"] {
            let request = Request::post(path).header("content-type", kind).header("te", "trailers");
            let (response, trailers) = client.send(request.body("call")?, HeaderMap::new()).await?;
            let Some(code) = code else { break };
            ensure!(response.status() == 200, "{response:?}");
            let trailers = trailers.unwrap_or_default();
            for (name, wanted) in [("grpc-status", Some(code)), ("grpc-message", None)] {
                let found = response.headers().get_all(name).iter().chain(trailers.get_all(name));
                let found: Vec<_> = found.collect();
                ensure!(found.len() == 1, "{name} is {found:?}");
                ensure!(wanted.is_none_or(|wanted| found[0] == wanted), "{name} is {found:?}");
            }
            let types: Vec<_> = response.headers().get_all("content-type").iter().collect();
            ensure!(types.len() == 1 && types[0].as_bytes().starts_with(b"application/grpc"), "{types:?}");
            ensure!(response.body().is_empty(), "{response:?}");
        }
    }
    Ok(())
}
