//! The mesh itself: istiod, an agent and an Envoy for each of two pods, and requests through both.

use anyhow::{Result, bail, ensure};
use sallyport_tests::eventually::eventually;
use serde_json::{Value, json};

use crate::way::Way;

#[tokio::test(flavor = "multi_thread")]
async fn a_request_through_a_gateway_and_a_sidecar_reaches_an_application() -> Result<()> {
    let way = Way::start().await?;
    let told = way.told().await?;
    ensure!(told["path"] == "/hello", "{told}");
    // The sidecar knows the gateway by its certificate, which istiod gave it for its pod's token.
    let client = format!("URI=spiffe://cluster.local/ns/{}/sa/default", way.namespace);
    ensure!(told["headers"].to_string().contains(&client), "{told}");
    for proxy in [&way.gateway, &way.sidecar] {
        way.mesh.synced(proxy).await?;
        ensure!(way.mesh.refused(proxy).await?.is_empty(), "{}", proxy.output());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn istiod_refuses_what_it_does_not_know_and_tells_what_a_proxy_refuses() -> Result<()> {
    let way = Way::start().await?;
    way.told().await?;
    let filter = |typed: Value| {
        json!({
            "apiVersion": "networking.istio.io/v1alpha3",
            "kind": "EnvoyFilter",
            "metadata": { "name": "filter", "namespace": way.namespace },
            "spec": { "configPatches": [{
                "applyTo": "HTTP_FILTER",
                "match": {
                    "context": "GATEWAY",
                    "listener": {
                        "filterChain": { "filter": { "name": "envoy.filters.network.http_connection_manager" } },
                    },
                },
                "patch": { "operation": "INSERT_FIRST", "value": { "name": "filter", "typed_config": typed } },
            }] },
        })
    };
    let unknown = json!({ "@type": "type.googleapis.com/envoy.extensions.filters.http.none.v3.None" });
    let refused = way.cluster.objects().apply(&filter(unknown)).await;
    let Err(kube::Error::Api(refused)) = refused else { bail!("it was not refused: {refused:?}") };
    ensure!(refused.message.contains("rev.validation.istio.io"), "{}", refused.message);

    let lua = "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua";
    let broken = json!({ "@type": lua, "default_source_code": { "inline_string": "this is no Lua" } });
    way.cluster.objects().apply(&filter(broken)).await?;
    let error = eventually("istiod tells what the gateway refuses", async || {
        way.mesh.refused(&way.gateway).await.ok()?.pop()
    })
    .await?;
    ensure!(error.contains("script load error"), "{error}");
    // What it had before, it keeps.
    way.told().await?;
    Ok(())
}
