//! Where requests are sent once the filter has changed them.

use anyhow::{Context as _, Result, ensure};
use http::Request;
use sallyport_tests::proxy::{Proxy, Setup, Upstream};
use serde_json::{Value, json};

const POLICY: &str = "
kind: TrafficPolicy
metadata: {name: api, namespace: shop}
spec:
  selector: {}
  headers:
    correlation: {header: x-correlation-id}
    request:
      set: [{name: x-gate, value: passed}]
      remove: [x-beta, x-internal]
";

/// Requests with this header go to a second application, as a mesh's canary routes have it.
fn canary(bootstrap: &mut Value, header: &str, port: u16) {
    let resources = &mut bootstrap["static_resources"];
    let clusters = resources["clusters"].as_array_mut().expect("clusters");
    let mut cluster = clusters[0].clone();
    cluster["name"] = json!("canary");
    cluster["load_assignment"]["cluster_name"] = json!("canary");
    let endpoint =
        cluster.pointer_mut("/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address");
    endpoint.expect("an endpoint")["port_value"] = json!(port);
    clusters.push(cluster);
    let manager =
        resources.pointer_mut("/listeners/0/filter_chains/0/filters/0/typed_config").expect("a manager");
    let routes = manager.pointer_mut("/route_config/virtual_hosts/0/routes").expect("routes");
    let exact = json!({"name": header, "string_match": {"exact": "1"}});
    let route = json!({"match": {"prefix": "/", "headers": [exact]}, "route": {"cluster": "canary"}});
    routes.as_array_mut().expect("routes").insert(0, route);
}

async fn start(header: &'static str) -> Result<(Proxy, Upstream)> {
    let second = Upstream::echo().await?;
    let port = second.address().port();
    let setup = Setup::of(POLICY)?.edited(move |bootstrap| canary(bootstrap, header, port));
    Ok((setup.start().await?, second))
}

#[tokio::test]
async fn a_canary_s_requests_stay_the_canary_s_whatever_else_is_changed() -> Result<()> {
    let (proxy, second) = start("x-canary").await?;
    for i in 0..4 {
        let mut request = Request::get(format!("/{i}")).header("x-internal", "1");
        if i % 2 == 1 {
            request = request.header("x-canary", "1");
        }
        ensure!(proxy.send(request.body("")?).await?.status() == 200);
    }
    for (application, paths) in [(&proxy.upstream, ["/0", "/2"]), (&second, ["/1", "/3"])] {
        let seen = application.seen();
        ensure!(seen.iter().map(|seen| seen.parts.uri.path()).eq(paths), "{seen:?}");
        for seen in seen {
            let headers = seen.parts.headers;
            ensure!(headers["x-gate"] == "passed" && !headers.contains_key("x-internal"), "{headers:?}");
        }
    }
    Ok(())
}

/// Envoy looks for a route anew once a filter of this ABI has changed a request's headers.
#[tokio::test]
async fn a_route_goes_by_the_headers_that_the_policy_leaves() -> Result<()> {
    let (proxy, second) = start("x-beta").await?;
    ensure!(proxy.send(Request::get("/").header("x-beta", "1").body("")?).await?.status() == 200);
    ensure!(second.seen().is_empty(), "by a header that is gone");
    let seen = proxy.upstream.seen().pop().context("nothing arrived")?;
    ensure!(!seen.parts.headers.contains_key("x-beta"), "{seen:?}");
    Ok(())
}
