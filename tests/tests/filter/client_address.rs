//! Whom the filter takes for the client, in proxies that know it in different ways.

use anyhow::{Context as _, Result, ensure};
use http::Request;
use sallyport_tests::proxy::{Proxy, Setup};
use serde_json::{Value, json};

/// How a proxy is set up.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// Before one application, as it is rendered.
    Edge,
    /// As Istio's sidecars are for inbound requests: whoever is last in X-Forwarded-For counts as the remote address.
    Sidecar,
    /// As Istio's gateways are: they append whoever connects before all filters.
    Gateway,
}

fn edit(bootstrap: &mut Value, place: Place) {
    let manager = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
    let manager = bootstrap.pointer_mut(manager).expect("a manager");
    if matches!(place, Place::Edge) {
        return;
    }
    manager["skip_xff_append"] = false.into();
    if matches!(place, Place::Sidecar) {
        manager["use_remote_address"] = false.into();
    }
}

/// With a policy for each number of trusted proxies, by the host that it is for.
async fn start(place: Place) -> Result<Proxy> {
    let policy = |hops| {
        format!(
            "
kind: TrafficPolicy
metadata: {{name: hops-{hops}, namespace: shop}}
spec:
  selector: {{}}
  hosts: [hops-{hops}.example]
  trustedHops: {hops}
  headers: {{request: {{set: [{{name: x-client, value: \"%{{client-address}}\"}}]}}}}
---"
        )
    };
    let policies: String = (0..3).map(policy).collect();
    let mut setup = Setup::of(&policies)?.edited(move |bootstrap| edit(bootstrap, place));
    if matches!(place, Place::Gateway) {
        setup = setup.configured(|configuration| configuration["forwardedFor"] = json!("Appended"));
    }
    setup.start().await
}

/// Whom the filter takes for the client of a request with this X-Forwarded-For.
async fn client(proxy: &Proxy, hops: usize, forwarded: &[&str]) -> Result<Option<String>> {
    let host = format!("hops-{hops}.example");
    let mut request = Request::get("/").header("host", host).header("x-client", "6.6.6.6");
    for line in forwarded {
        request = request.header("x-forwarded-for", *line);
    }
    ensure!(proxy.send(request.body("")?).await?.status() == 200);
    let seen = proxy.upstream.seen().pop().context("nothing arrived")?;
    Ok(seen.parts.headers.get("x-client").map(|value| value.to_str().map(str::to_owned)).transpose()?)
}

#[tokio::test]
async fn only_what_trusted_proxies_have_appended_is_believed() -> Result<()> {
    const CONNECTED: Option<&str> = Some("127.0.0.1");
    const NEAR: Option<&str> = Some("198.51.100.2");
    const FAR: Option<&str> = Some("203.0.113.1");
    let forged = "6.6.6.6, 203.0.113.1, 198.51.100.2";
    for (place, wanted) in [
        (Place::Edge, [[CONNECTED; 3], [CONNECTED, NEAR, NEAR], [CONNECTED, CONNECTED, FAR]]),
        (Place::Gateway, [[CONNECTED; 3], [CONNECTED, NEAR, NEAR], [CONNECTED, CONNECTED, FAR]]),
        // What a sidecar takes for the connection, whoever connects may have written.
        (Place::Sidecar, [[CONNECTED, None, None], [CONNECTED, NEAR, NEAR], [CONNECTED, None, FAR]]),
    ] {
        let proxy = start(place).await?;
        for (hops, [none, one, all]) in wanted.into_iter().enumerate() {
            for (sent, wanted) in [
                (&[][..], none),
                (&["198.51.100.2"], one),
                (&[forged], all),
                (&["6.6.6.6", "203.0.113.1,198.51.100.2"], all),
            ] {
                let found = client(&proxy, hops, sent).await?;
                let case = format!("{place:?}, {hops} trusted, {sent:?}");
                ensure!(found.as_deref() == wanted, "{case}: {found:?}, not {wanted:?}");
            }
        }
        for made_up in
            ["203.0.113.9:55", "[2001:db8::9]:55", "2001:db8::9", "::ffff:203.0.113.9", "203.0.113.9, "]
        {
            let found = client(&proxy, 0, &[made_up]).await?;
            ensure!(
                found.is_none() || found.as_deref() == CONNECTED,
                "{place:?}: {made_up} made it {found:?}"
            );
        }
    }
    Ok(())
}
