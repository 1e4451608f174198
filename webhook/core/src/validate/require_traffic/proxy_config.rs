//! A pod's own ProxyConfig, in the annotation `proxy.istio.io/config`.
//!
//! It is YAML, and can name another Envoy binary, another bootstrap, another control plane, or switch interception off.
//! So only what is known to be harmless passes, and only where it is written so plainly that there is no other reading
//! of it: as a JSON object, or as a block of lines `option: value` from the first column on.

use serde_json::{Map, Value};

/// What is wanted, in words.
pub(super) const WANTED: &str =
    "no options but harmless ones such as holdApplicationUntilProxyStarts, each on a line of its own";

/// Options that say how long the proxy waits, how much it works and what it tells, and nothing of where traffic goes.
const HARMLESS: [&str; 11] = [
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
    "readinessProbe",
];

/// Whether it holds no option but harmless ones.
pub(super) fn is_harmless(config: &str) -> bool {
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
