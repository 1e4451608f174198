//! Where requests come in, and what they pass.

use serde_json::{Value, json};

use super::cluster::{UPSTREAM, address};
use super::{Options, access_log, http_filter};
use crate::{Plugin, any};

pub(super) fn render(plugins: &[Plugin], options: &Options) -> Value {
    json!({
        "name": "sallyport",
        "address": address(&options.listen),
        "filter_chains": [{ "filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": connection_manager(plugins, options),
        }] }],
    })
}

fn connection_manager(plugins: &[Plugin], options: &Options) -> Value {
    let mut filters = http_filter::render(plugins, options);
    filters.push(json!({
        "name": "envoy.filters.http.router",
        "typed_config": {
            "@type": any("envoy.extensions.filters.http.router.v3.Router"),
            "suppress_envoy_headers": true,
        },
    }));
    json!({
        "@type": any("envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": "sallyport",
        "codec_type": "AUTO",
        "access_log": [access_log::render(plugins, &options.access_log)],
        // The connection's own address, whatever X-Forwarded-For says: that is the policy's to judge.
        "use_remote_address": true,
        "skip_xff_append": true,
        "normalize_path": true,
        "merge_slashes": true,
        "path_with_escaped_slashes_action": "KEEP_UNCHANGED",
        // Else Envoy names itself, behind the filter, where a policy can't remove it.
        "server_header_transformation": "PASS_THROUGH",
        "upgrade_configs": [{ "upgrade_type": "websocket" }],
        "http_filters": filters,
        "route_config": route(),
    })
}

/// Everything goes to the application, for as long as it takes.
fn route() -> Value {
    json!({
        "name": UPSTREAM,
        "request_headers_to_add": [{
            "header": {
                "key": "x-forwarded-for",
                "value": "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%",
            },
            "append_action": "APPEND_IF_EXISTS_OR_ADD",
        }],
        "virtual_hosts": [{
            "name": UPSTREAM,
            "domains": ["*"],
            "routes": [{ "match": { "prefix": "/" }, "route": { "cluster": UPSTREAM, "timeout": "0s" } }],
        }],
    })
}
