//! Whom Envoy calls.

use serde_json::{Value, json};

use crate::plugin::Destination;
use crate::{Endpoint, any};

/// The cluster of the application.
pub(super) const UPSTREAM: &str = "upstream";

/// An address of Envoy's.
pub(super) fn address(endpoint: &Endpoint) -> Value {
    json!({ "socket_address": { "address": endpoint.host, "port_value": endpoint.port } })
}

/// The application: by HTTP/2 if the client speaks it, as gRPC clients do, else by HTTP/1.1.
pub(super) fn upstream(endpoint: &Endpoint) -> Value {
    let protocol = json!({ "use_downstream_protocol_config": { "http2_protocol_options": {} } });
    cluster(UPSTREAM, endpoint, "5s", &protocol)
}

/// A cluster for the filter's own calls, which are sent to `reached`.
pub(crate) fn own(name: &str, destination: &Destination, reached: &Endpoint, ca_file: &str) -> Value {
    match destination {
        Destination::RateLimitService(_) => {
            let http2 = json!({ "explicit_http_config": { "http2_protocol_options": {} } });
            cluster(name, reached, "1s", &http2)
        }
        Destination::Jwks(host) => {
            let http1 = json!({ "explicit_http_config": { "http_protocol_options": {} } });
            let mut cluster = cluster(name, reached, "5s", &http1);
            if let Some(fields) = cluster.as_object_mut() {
                fields.insert("transport_socket".to_owned(), tls(&host.host, ca_file));
            }
            cluster
        }
    }
}

/// TLS with a host that must prove its name (RFC 9110 §4.3.4).
fn tls(host: &str, ca_file: &str) -> Value {
    json!({
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": any("envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"),
            "sni": host,
            "common_tls_context": {
                "tls_params": { "tls_minimum_protocol_version": "TLSv1_2" },
                "alpn_protocols": ["http/1.1"],
                "validation_context": {
                    "trusted_ca": { "filename": ca_file },
                    "match_typed_subject_alt_names": [{ "san_type": "DNS", "matcher": { "exact": host } }],
                },
            },
        },
    })
}

fn cluster(name: &str, endpoint: &Endpoint, connect_timeout: &str, protocol: &Value) -> Value {
    let mut protocol = protocol.clone();
    if let Some(fields) = protocol.as_object_mut() {
        let message = any("envoy.extensions.upstreams.http.v3.HttpProtocolOptions");
        fields.insert("@type".to_owned(), message.into());
    }
    json!({
        "name": name,
        "type": if endpoint.is_address() { "STATIC" } else { "STRICT_DNS" },
        // Both families, so that a host is reached that has an address of a family which this machine lacks.
        "dns_lookup_family": "ALL",
        "connect_timeout": connect_timeout,
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": protocol,
        },
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": address(endpoint) } }] }],
        },
    })
}
