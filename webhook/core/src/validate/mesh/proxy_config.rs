//! Istio's ProxyConfig: what of it a pod's author may have written.
//!
//! It can name another Envoy binary, another bootstrap, another control plane, a command that is run for a probe, or
//! switch interception off. So only what is known to be harmless passes.

use serde_json::{Map, Value};

use super::is_control_plane;
use super::variables::is_metadata;

/// Options that say how long the proxy waits, how much it works and what it tells, and nothing of where traffic goes.
const HARMLESS: [&str; 10] = [
    "holdApplicationUntilProxyStarts",
    "terminationDrainDuration",
    "drainDuration",
    "parentShutdownDuration",
    "concurrency",
    "tracing",
    "tracingServiceName",
    "proxyStatsMatcher",
    "extraStatTags",
    "statNameLength",
];

/// Options of a mesh's own configuration that are harmless too. What a gateway trusts of `X-Forwarded-For` counts at
/// gateways only.
const OF_THE_MESH: [&str; 10] = [
    "meshId",
    "serviceCluster",
    "availabilityZone",
    "gatewayTopology",
    "proxyHeaders",
    "envoyAccessLogService",
    "envoyMetricsService",
    "statsdUdpAddress",
    "zipkinAddress",
    "image",
];

/// Whether it is the whole configuration as the injector writes it to the proxy, in JSON, and nothing in it is harmful.
pub(super) fn is_injected(config: &str) -> bool {
    let is_right = |(option, value): (&String, &Value)| {
        let is = |name: &str| spelt_alike(option, name);
        if is("discoveryAddress") {
            return value.as_str().is_some_and(is_control_plane);
        }
        if is("proxyMetadata") {
            return match value {
                Value::Null => true,
                Value::Object(variables) => variables.keys().all(|name| is_metadata(name)),
                _ => false,
            };
        }
        if is("interceptionMode") {
            return matches!(value.as_str(), Some("REDIRECT" | "TPROXY"));
        }
        if is("readinessProbe") {
            return value.get("exec").is_none_or(Value::is_null);
        }
        let ports = [("statusPort", 15020), ("proxyAdminPort", 15000)];
        if let Some((_, port)) = ports.into_iter().find(|(name, _)| is(name)) {
            return value.as_u64() == Some(port);
        }
        HARMLESS.iter().chain(&OF_THE_MESH).any(|name| is(name))
    };
    serde_json::from_str::<Map<String, Value>>(config).is_ok_and(|options| options.iter().all(is_right))
}

/// Protobuf's JSON takes a field in camelCase and in snake_case.
fn spelt_alike(option: &str, name: &str) -> bool {
    let letters = |text: &str| text.replace('_', "").to_ascii_lowercase();
    letters(option) == letters(name)
}

/// Whether a pod's own, in the annotation `proxy.istio.io/config`, holds no option but harmless ones. It is YAML, and
/// passes only where it is written so plainly that there is no other reading of it: as a JSON object, or as a block of
/// lines `option: value` from the first column on.
pub(crate) fn is_harmless(config: &str) -> bool {
    let config = config.trim_end();
    if config.trim_start().starts_with('{') {
        return serde_json::from_str::<Map<String, Value>>(config)
            .is_ok_and(|options| options.keys().all(|option| HARMLESS.contains(&option.as_str())));
    }
    // What YAML takes for the end of a line is not all that a reader does: U+0085, U+2028, a carriage return.
    let is_plain = config.bytes().all(|byte| matches!(byte, b'\n' | b' '..=b'~'));
    let mut begun = false;
    is_plain
        && config.lines().all(|line| {
            let is_blank = line.trim().is_empty() || line.starts_with('#');
            let belongs_to_option = begun && (line.starts_with(' ') || line.starts_with("- "));
            let option = line.split_once(':').map(|(option, _)| option);
            begun |= !is_blank;
            is_blank || belongs_to_option || option.is_some_and(|option| HARMLESS.contains(&option))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn harmless_options_pass() {
        for config in [
            "",
            "\n",
            "holdApplicationUntilProxyStarts: true",
            "holdApplicationUntilProxyStarts: true\nterminationDrainDuration: 30s\n",
            "# why\nconcurrency: 2\n\ntracing:\n  sampling: 10\n  zipkin:\n    address: zipkin:9411\n",
            "extraStatTags:\n- tag\n- other\nconcurrency: 2",
            "proxyStatsMatcher:\n  inclusionRegexps:\n    - \".*outlier.*\"\n",
            "{\"holdApplicationUntilProxyStarts\": true}",
            "{ \"concurrency\": 2, \"tracing\": {} }\n",
        ] {
            assert!(is_harmless(config), "{config}");
        }
    }

    #[test]
    fn everything_else_does_not() {
        for config in [
            "interceptionMode: NONE",
            "concurrency: 2\ninterceptionMode: NONE",
            "concurrency: 2\rinterceptionMode: NONE",
            "concurrency: 2\r\ninterceptionMode: NONE",
            "concurrency: 2\u{85}interceptionMode: NONE",
            "concurrency: 2\u{2028}interceptionMode: NONE",
            " interceptionMode: NONE",
            " concurrency: 2\n interceptionMode: NONE",
            "\"interceptionMode\": NONE",
            "\"\\x69nterceptionMode\": NONE",
            "interception_mode: NONE",
            "? interceptionMode\n: NONE",
            "<<: {interceptionMode: NONE}",
            "--- {interceptionMode: NONE}",
            "--- \ninterceptionMode: NONE",
            "{interceptionMode: NONE}",
            "{concurrency: 2}",
            "{\"interceptionMode\": \"NONE\"}",
            "{\"concurrency\": 2, \"binaryPath\": \"/app/envoy\"}",
            "{\"concurrency\": 2} {\"interceptionMode\": \"NONE\"}",
            "!!map {interceptionMode: NONE}",
            "&a\ninterceptionMode: NONE",
            "*a",
            "readinessProbe:\n  exec:\n    command: [sh]",
            "{\"readinessProbe\": {\"exec\": {\"command\": [\"sh\"]}}}",
            "binaryPath: /app/envoy",
            "customConfigFile: /app/envoy.json",
            "proxyBootstrapTemplatePath: /app/t.json",
            "discoveryAddress: evil.example:15012",
            "proxyMetadata:\n  ISTIO_META_X: y",
            "statusPort: 8080",
            "gatewayTopology:\n  numTrustedProxies: 9",
            "image:\n  imageType: debug",
            "concurrency",
            "[]",
            "null",
            "true",
        ] {
            assert!(!is_harmless(config), "{config}");
        }
    }
}
