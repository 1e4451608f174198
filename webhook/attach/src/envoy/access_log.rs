//! What is logged of a request.

use serde_json::{Map, Value, json};

use crate::{Plugin, any};

/// The access log: a line of JSON for each request, with what was decided. Host, path and correlation identifier are the
/// filter's, without queries, tokens and card numbers, and headers that a client fills as it likes are left out: they
/// carry what must not stand in a log. Of a method, which may be any word, there is no more than what names one.
pub(super) fn render(plugins: &[Plugin], path: &str) -> Value {
    let mut fields = Map::new();
    for (name, format) in [
        ("time", "%START_TIME%"),
        ("client", "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%"),
        ("method", "%REQ(:METHOD):10%"),
        ("authority", "%FILTER_STATE(wasm.sallyport_host:PLAIN)%"),
        ("path", "%FILTER_STATE(wasm.sallyport_path:PLAIN)%"),
        ("protocol", "%PROTOCOL%"),
        ("status", "%RESPONSE_CODE%"),
        ("details", "%RESPONSE_CODE_DETAILS%"),
        ("flags", "%RESPONSE_FLAGS%"),
        ("bytes_received", "%BYTES_RECEIVED%"),
        ("bytes_sent", "%BYTES_SENT%"),
        ("duration_ms", "%DURATION%"),
        ("upstream", "%UPSTREAM_HOST%"),
        ("request_id", "%REQ(X-REQUEST-ID)%"),
        ("decision", "%FILTER_STATE(wasm.sallyport:PLAIN)%"),
    ] {
        fields.insert(name.to_owned(), format.into());
    }
    if plugins
        .iter()
        .any(|plugin| plugin.spec.headers.as_ref().is_some_and(|headers| headers.correlation.is_some()))
    {
        let correlation = "%FILTER_STATE(wasm.sallyport_correlation:PLAIN)%";
        fields.insert("correlation_id".to_owned(), correlation.into());
    }
    json!({
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": any("envoy.extensions.access_loggers.file.v3.FileAccessLog"),
            "path": path,
            "log_format": { "json_format": fields, "omit_empty_values": true },
        },
    })
}
