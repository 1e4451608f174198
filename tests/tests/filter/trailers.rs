//! What a request's trailers bring.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context as _, Result, ensure};
use http::{HeaderMap, HeaderValue, Request};
use sallyport_tests::proxy::{Http2Client, Module, Proxy, Setup};
use serde_json::{Value, json};

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
    Ok(Setup::of(POLICY)?.variable("SECRET", "a secret that this test may know."))
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
    let allowed = functions_but("proxy_remove_header_map_value")?;
    let proxy = setup()?.edited(move |bootstrap| restrict(bootstrap, &allowed)).start().await?;
    ensure!(send(&proxy, &[("x-user-id", "root")]).await? == 503, "it passed");
    ensure!(proxy.upstream.seen().is_empty(), "it got through");
    // What needs no cleaning passes.
    ensure!(send(&proxy, &[("x-checksum", "1")]).await? == 200);
    Ok(())
}

/// All functions of the ABI that the module names, its own and the proxy's, and those of WASI, but one.
fn functions_but(denied: &str) -> Result<BTreeSet<String>> {
    let module = fs::read(&Module::built()?.path)?;
    let words = module.split(|byte| !(byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'_'));
    let words = words.filter_map(|word| str::from_utf8(word).ok());
    let proxy = words.filter_map(|word| word.find("proxy_").and_then(|at| word.get(at..)));
    let wasi = ["clock_time_get", "environ_get", "environ_sizes_get", "fd_write", "proc_exit", "random_get"];
    let mut all: BTreeSet<String> = proxy.chain(wasi).map(str::to_owned).collect();
    ensure!(all.remove(denied), "the module does not use {denied}");
    Ok(all)
}

/// Lets the filter call, and be called by, these functions only: the proxy refuses all others.
fn restrict(bootstrap: &mut Value, functions: &BTreeSet<String>) {
    let allowed: serde_json::Map<String, Value> =
        functions.iter().map(|name| (name.clone(), json!({}))).collect();
    let filter = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters/0";
    let config = bootstrap.pointer_mut(filter).expect("a filter");
    config["typed_config"]["config"]["capability_restriction_config"] =
        json!({ "allowed_capabilities": allowed });
}
