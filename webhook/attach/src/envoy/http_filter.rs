//! The filter itself.

use std::collections::BTreeSet;

use sallyport_traffic::FailureMode;
use sallyport_traffic::program::Configuration;
use serde_json::{Value, json};

use super::{Options, any};
use crate::{Plugin, environment_variables};

/// Policies share a virtual machine, and what its workers count, under this name.
const VM: &str = "sallyport";

/// One filter for each policy (envoy.extensions.filters.http.wasm.v3.Wasm).
pub(super) fn render(plugins: &[Plugin], options: &Options) -> Vec<Value> {
    // All of all policies, in each: Envoy gives a virtual machine the variables of whichever policy it comes to first.
    let variables: BTreeSet<String> = plugins
        .iter()
        .flat_map(|plugin| environment_variables(&plugin.policy.namespace, &plugin.spec))
        .collect();
    plugins.iter().map(|plugin| filter(plugin, &variables, options)).collect()
}

fn filter(plugin: &Plugin, variables: &BTreeSet<String>, options: &Options) -> Value {
    let configuration = Configuration { logs_paths: true, ..plugin.configuration() };
    let configuration = json!(configuration).to_string();
    json!({
        "name": format!("sallyport/{}", plugin.name()),
        "typed_config": {
            "@type": any("envoy.extensions.filters.http.wasm.v3.Wasm"),
            "config": {
                "name": plugin.name(),
                "root_id": plugin.name(),
                "failure_policy": failure_policy(plugin.spec.failure_mode),
                "vm_config": {
                    "vm_id": VM,
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": { "local": { "filename": options.module } },
                    "environment_variables": { "host_env_keys": variables },
                },
                "configuration": {
                    "@type": any("google.protobuf.StringValue"),
                    "value": configuration,
                },
            },
        },
    })
}

/// What Envoy does with requests should the virtual machine itself have failed.
fn failure_policy(mode: FailureMode) -> &'static str {
    match mode {
        // It starts a new one, and refuses until then.
        FailureMode::Closed => "FAIL_RELOAD",
        FailureMode::Open => "FAIL_OPEN",
    }
}
