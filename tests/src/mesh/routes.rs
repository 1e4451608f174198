//! Istio's resources that lead requests through proxies.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::Proxy;

/// Has a pod's sidecar take requests at this address, and hand them to this application. Without that it would listen
/// where redirected traffic arrives.
pub(super) fn inbound(pod: &Value, address: SocketAddr, application: SocketAddr) -> Value {
    let mut resource = resource("Sidecar", pod);
    resource["spec"] = json!({
        "workloadSelector": { "labels": pod["metadata"]["labels"] },
        "ingress": [{
            "port": port(address),
            "bind": address.ip(),
            "captureMode": "NONE",
            "defaultEndpoint": application.to_string(),
        }],
        // It calls nobody.
        "egress": [{ "hosts": ["~/*"] }],
    });
    resource
}

/// Has a gateway take requests for any host at its [address](Proxy::address), and hand them on to a sidecar, which is told
/// who it is.
#[must_use]
pub fn through(gateway: &Proxy, sidecar: &Proxy) -> [Value; 3] {
    let [mut listener, mut route, mut destination] =
        ["Gateway", "VirtualService", "ServiceEntry"].map(|kind| resource(kind, gateway.pod()));
    let host = format!("{}.test", sidecar.name());
    let (here, there) = (gateway.address(), sidecar.address());
    listener["spec"] = json!({
        "selector": gateway.pod()["metadata"]["labels"],
        "servers": [{ "port": port(here), "bind": here.ip(), "hosts": ["*"] }],
    });
    route["spec"] = json!({
        "hosts": ["*"],
        "gateways": [listener["metadata"]["name"]],
        "http": [{ "route": [{ "destination": { "host": host, "port": { "number": there.port() } } }] }],
    });
    // Of a Service, the API server takes no endpoints on the loopback network.
    destination["spec"] = json!({
        "hosts": [host],
        "location": "MESH_INTERNAL",
        "resolution": "STATIC",
        "ports": [port(there)],
        "endpoints": [{
            "address": there.ip(),
            // The proxies speak TLS with each other.
            "labels": { "security.istio.io/tlsMode": "istio" },
            "serviceAccount": sidecar.pod()["spec"]["serviceAccountName"],
        }],
    });
    [listener, route, destination]
}

fn port(address: SocketAddr) -> Value {
    json!({ "number": address.port(), "name": "http", "protocol": "HTTP" })
}

/// One of this kind, of the pod's name and in its namespace.
fn resource(kind: &str, pod: &Value) -> Value {
    let metadata = &pod["metadata"];
    json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": kind,
        "metadata": { "name": metadata["name"], "namespace": metadata["namespace"] },
    })
}
