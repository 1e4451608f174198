//! What each line of the five guides asks of the filter, with the example's own TrafficPolicy in a real Envoy.
//!
//! The tables in `manifests/examples/REQUIREMENTS.md` name these tests.

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use http::{HeaderMap, Response};
use sallyport_tests::examples::Example;
use sallyport_tests::proxy::{Proxy, Setup};

mod ai_imutis;
mod financial_planning;
mod media_platform;
mod mini_visa;
mod mita;

/// What starts the TrafficPolicy of this name of an example.
fn policy(system: &str, name: &str) -> Result<Setup> {
    let examples = Example::all()?;
    let example = examples.iter().find(|example| example.name == system).context("no such example")?;
    let documents = example.traffic_policies()?;
    let policy = documents.iter().find(|policy| policy["metadata"]["name"] == name);
    Setup::of(&policy.with_context(|| format!("{system} has no TrafficPolicy {name}"))?.to_string())
}

/// The headers of the last request that reached the application.
fn last_seen(proxy: &Proxy) -> Result<HeaderMap> {
    let seen = proxy.upstream.seen().pop().context("no request reached the application")?;
    Ok(seen.parts.headers)
}

/// The response has these headers, each once and so.
fn has(response: &Response<Bytes>, headers: &[(&str, &str)]) -> Result<()> {
    for (name, value) in headers {
        let all: Vec<_> = response.headers().get_all(*name).iter().collect();
        ensure!(all == [value], "{name} is {all:?} in {response:?}");
    }
    Ok(())
}
